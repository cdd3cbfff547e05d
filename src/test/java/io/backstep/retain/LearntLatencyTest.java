// SPDX-License-Identifier: Apache-2.0
package io.backstep.retain;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.SplittableRandom;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class LearntLatencyTest {
    private static final long MS = 1_000_000;
    private static final long SEED = 11;
    private static final double COVERAGE = 0.9;

    private final LatencyObservations observations = new LatencyObservations();

    private static ErrorLatency latency(String text) {
        return ErrorLatency.parse(text);
    }

    @Test
    void shouldBeWhatWasStatedUntilSomethingIsObserved() {
        ErrorLatency stated = latency("exp:mean=20ms");

        assertSame(stated, LearntLatency.of(stated, observations));

        observations.add(0, Long.MAX_VALUE);
        assertSame(stated, LearntLatency.of(stated, observations), "no bounds at all say nothing");
    }

    /** At the ends of cells nothing depends on what lies within one. */
    @Test
    void shouldBeThePosteriorMeanForLatenciesThatAreKnown() {
        ErrorLatency stated = latency("exp:mean=20ms");
        long[] known = {1 * MS, 5 * MS, 5 * MS, 80 * MS, 300 * MS};
        for (long ns : known) {
            observations.add(ns);
        }

        ErrorLatency learnt = LearntLatency.of(stated, 20, observations);

        for (int cell = 0; cell <= LatencyObservations.cells(); cell++) {
            double edgeNs = LatencyObservations.edgeNs(cell);
            int below = 0;
            for (long ns : known) {
                below += ns < edgeNs ? 1 : 0;
            }
            assertEquals((20 * stated.atMost(edgeNs) + below) / 25, learnt.atMost(edgeNs), 1e-12, "at " + edgeNs);
        }
    }

    /** One of two is known to be below 10 ms, where the stated latency says 3 : 1 for the lower half. */
    @Test
    void shouldShareWhatHasBoundsAsTheLatencyDoes() {
        ErrorLatency stated = latency("mix:0.3*uniform:1us..2us+0.1*uniform:8ms..9ms+0.6*uniform:1s..2s");
        for (int i = 0; i < 1_000; i++) {
            observations.add(0, 10 * MS);
        }

        ErrorLatency learnt = LearntLatency.of(stated, 1, observations);

        assertEquals((0.4 + 1000) / 1001, learnt.atMost(10 * MS), 1e-4);
        assertEquals(0.75 * learnt.atMost(10 * MS), learnt.atMost(1 * MS), 1e-3);
    }

    @Test
    void shouldTakeWhatWasStatedToBeImpossibleForJustBeyondItsBound() {
        observations.add(50 * MS, Long.MAX_VALUE);

        ErrorLatency learnt = LearntLatency.of(latency("uniform:0..10ms"), 1, observations);

        assertEquals(0.5, learnt.atMost(45 * MS), 1e-9);
        assertEquals(1, learnt.atMost(110 * MS), 1e-9);
    }

    @ParameterizedTest
    @CsvSource({"exp:mean=5ms, exp:mean=50ms", "exp:mean=500ms, exp:mean=50ms", "uniform:0..10ms, exp:mean=50ms",
        "exp:mean=20ms, uniform:0..300ms", "exp:mean=20ms, weibull:scale=20ms;shape=0.5"})
    void shouldComeToTheTrueCoverageFromKnownLatencies(String stated, String truth) {
        ErrorLatency real = latency(truth.replace(';', ','));
        SplittableRandom random = new SplittableRandom(SEED);
        for (int i = 0; i < 5_000; i++) {
            observations.add((long) real.sample(random));
        }

        assertEquals(COVERAGE, trueCoverage(LearntLatency.of(latency(stated), observations), real), 0.02,
                "seed " + SEED);
    }

    /** Of the history that is thought to be just long enough. */
    private static double trueCoverage(ErrorLatency known, ErrorLatency real) {
        long spanNs = KeepCoverage.spanNs(known, COVERAGE, 10 * MS);
        return real.atMostOnAverage(spanNs, spanNs + 10.0 * MS);
    }

    /**
     * Nobody ever knows when a fault occurred: there are only checkpoints from which the error came back, and one from
     * which it did not. What is learnt decides what is kept and tried next.
     */
    @ParameterizedTest
    @CsvSource({"exp:mean=5ms, exp:mean=50ms, 0.85", "exp:mean=500ms, exp:mean=50ms, 0.88",
        "uniform:0..10ms, exp:mean=50ms, 0.85", "exp:mean=20ms, uniform:0..300ms, 0.85"})
    void shouldComeToTheTrueCoverageFromAttempts(String stated, String truth, double least) {
        ErrorLatency real = latency(truth);
        SplittableRandom random = new SplittableRandom(SEED);
        ErrorLatency known = latency(stated);
        for (int step = 0; step < 60; step++) {
            KeepCoverage keep = KeepCoverage.ofFew(known, COVERAGE, 10 * MS);
            new RetentionSimulation(keep, real, 10 * MS, random.nextLong()).errors(50,
                    (agesNs, latencyNs) -> attempt(keep, agesNs, latencyNs));
            known = LearntLatency.of(latency(stated), observations);
        }

        double achieved = trueCoverage(known, real);
        assertTrue(achieved >= least && achieved <= 0.95, achieved + ", seed " + SEED);
    }

    private void attempt(KeepCoverage keep, double[] agesNs, double latencyNs) {
        long atLeastNs = 0;
        int next = 0;
        RecoveryOrder order = new RecoveryOrder(keep.latency(), MS);
        while (next < agesNs.length) {
            double[] left = Arrays.copyOfRange(agesNs, next, agesNs.length);
            int tried = next + order.first(left, atLeastNs, Double.POSITIVE_INFINITY);
            if (agesNs[tried] > latencyNs) {
                observations.add(atLeastNs, (long) agesNs[tried]);
                return;
            }
            atLeastNs = (long) agesNs[tried];
            next = tried + 1;
        }
        observations.add(atLeastNs, Long.MAX_VALUE);
    }

    @Test
    void shouldHaveATextThatIsReadAsTheSameLatency() {
        SplittableRandom random = new SplittableRandom(SEED);
        ErrorLatency real = latency("mix:0.8*exp:mean=3ms+0.2*uniform:100ms..2s");
        for (int i = 0; i < 300; i++) {
            observations.add((long) real.sample(random));
            observations.add((long) real.sample(random), Long.MAX_VALUE);
        }
        for (String stated : new String[] {"exp:mean=20ms", "mix:0.9*exp:mean=1ms+0.1*uniform:0..2s"}) {
            ErrorLatency learnt = LearntLatency.of(latency(stated), observations);

            ErrorLatency read = latency(learnt.toString());

            for (double ns = 1_000; ns < 10e9; ns *= 1.1) {
                assertEquals(learnt.atMost(ns), read.atMost(ns), 0.03, "at " + ns + " of " + read);
            }
            for (double share : new double[] {0.9, 0.99}) {
                double ns = learnt.quantile(share);
                assertEquals(share, read.atMost(ns), 0.003, "at " + ns + " of " + read);
            }
            assertTrue(learnt.toString().length() < 2500, learnt.toString());
        }
    }

    @Test
    void shouldBeADistributionWhateverIsObserved() {
        SplittableRandom random = new SplittableRandom(SEED);
        for (int i = 0; i < 5_000; i++) {
            long first = (long) Math.exp(43 * random.nextDouble());
            long second = (long) Math.exp(43 * random.nextDouble());
            switch (random.nextInt(3)) {
                case 0 -> observations.add(first);
                case 1 -> observations.add(Math.min(first, second), Math.max(first, second));
                default -> observations.add(first, Long.MAX_VALUE);
            }
        }
        observations.add(Long.MAX_VALUE);

        ErrorLatency learnt = LearntLatency.of(latency("exp:mean=20ms"), observations);

        double before = 0;
        for (double ns = 0; ns < 1e19; ns = 1.05 * ns + 100) {
            assertTrue(learnt.atMost(ns) >= before && learnt.atMost(ns) <= 1, "at " + ns);
            before = learnt.atMost(ns);
        }
        assertEquals(1, before, 1e-9);
    }

    @Test
    void shouldNotChangeWithWhatIsObservedLater() {
        observations.add(MS);
        LatencyObservations copy = observations.copy();

        observations.add(2 * MS, 3 * MS);

        assertEquals(1, copy.count());
        assertEquals(2, observations.count());
    }
}
