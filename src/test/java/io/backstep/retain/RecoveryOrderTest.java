// SPDX-License-Identifier: Apache-2.0
package io.backstep.retain;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.stream.IntStream;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class RecoveryOrderTest {
    private static final long MS = 1_000_000;
    private static final long SEED = 11;
    private static final double NOT_KNOWN = Double.POSITIVE_INFINITY;

    private static double[] ages(double... ms) {
        return Arrays.stream(ms).map(age -> age * MS).toArray();
    }

    private static int[] newestFirst(int count) {
        return IntStream.range(0, count).toArray();
    }

    private static int[] oldestOnly(int count) {
        return new int[] {count - 1};
    }

    @Test
    void shouldTryTheNewestFirstWhenErrorsShowAtOnce() {
        RecoveryOrder order = new RecoveryOrder(ErrorLatency.parse("exp:mean=1ms"), MS);

        assertEquals(0, order.first(ages(20, 70, 120), 0, NOT_KNOWN));
    }

    @Test
    void shouldNotTryWhatIsHardlyClean() {
        RecoveryOrder order = new RecoveryOrder(ErrorLatency.parse("uniform:90ms..100ms"), MS);

        assertArrayEquals(new int[] {2, 3}, order.order(ages(20, 70, 120, 170)));
    }

    @Test
    void shouldGoBackFurtherAfterAnAttemptThatFailed() {
        RecoveryOrder order =
                new RecoveryOrder(ErrorLatency.parse("mix:0.9*exp:mean=1ms+0.1*uniform:100ms..110ms"), MS);
        double[] left = ages(70, 95, 120);

        assertEquals(0, order.first(left, 0, NOT_KNOWN));
        assertEquals(2, order.first(left, 20 * MS, NOT_KNOWN), "the fault is older than 20 ms: it is of the late kind");
    }

    @Test
    void shouldTakeTheNewestThatIsKnownToBeClean() {
        RecoveryOrder order = new RecoveryOrder(ErrorLatency.parse("exp:mean=1s"), 50 * MS);

        assertEquals(1, order.first(ages(20, 70, 120), 0, 50 * MS));
        assertEquals(1, order.first(ages(20, 70, 120), 50 * MS, 50 * MS));
    }

    @Test
    void shouldTakeTheOldestWhenTheLatencyCannotBe() {
        RecoveryOrder order = new RecoveryOrder(ErrorLatency.parse("uniform:0..10ms"), MS);

        assertEquals(2, order.first(ages(20, 70, 120), 20 * MS, NOT_KNOWN));
    }

    /** Two checkpoints: newest first costs r + a + S (r + b), the old one alone r + b. */
    @Test
    void shouldKnowTheTimeOfAnOrder() {
        RecoveryOrder order = new RecoveryOrder(ErrorLatency.parse("exp:mean=50ms"), MS);
        double[] ages = ages(50, 100);

        assertEquals(51 + Math.exp(-1) * 101 + Math.exp(-2) * 1000,
                order.expectedNs(newestFirst(2), ages, 1000 * MS) / MS, 1e-9);
        assertEquals(101 + Math.exp(-2) * 1000, order.expectedNs(oldestOnly(2), ages, 1000 * MS) / MS, 1e-9);
    }

    @Test
    void shouldBeTheBestOfAllOrders() {
        double[] ages = ages(3, 13, 23, 43, 83, 163, 323, 643);
        for (String latency : new String[] {"exp:mean=50ms", "uniform:0..300ms", "lognormal:median=30ms,sigma=1",
            "weibull:scale=20ms,shape=0.5", "mix:0.9*exp:mean=1ms+0.1*uniform:0..2s"}) {
            RecoveryOrder order = new RecoveryOrder(ErrorLatency.parse(latency), 2 * MS);
            double best = order.expectedNs(order.order(ages), ages, 0);
            for (int chosen = 0; chosen < 1 << ages.length - 1; chosen++) {
                int some = chosen | 1 << ages.length - 1; // the oldest is always the last
                int[] other = IntStream.range(0, ages.length).filter(i -> (some >> i & 1) != 0).toArray();
                assertTrue(best <= order.expectedNs(other, ages, 0) + 1e-6, latency + ": " + Arrays.toString(other));
            }
        }
    }

    /** Prints what the order gains over the two simple ones. */
    @ParameterizedTest
    @ValueSource(strings = {"exp:mean=50ms", "uniform:0..500ms", "lognormal:median=30ms,sigma=1.5",
        "weibull:scale=20ms,shape=0.5", "mix:0.9*exp:mean=1ms+0.1*uniform:0..2s"})
    void shouldBeFasterInSimulationThanNewestFirstAndOldestFirst(String text) {
        int errors = 20_000;
        ErrorLatency latency = ErrorLatency.parse(text);
        RecoveryOrder order = new RecoveryOrder(latency, 2 * MS);
        Retention keep = new KeepCoverage(latency, 0.99, 10 * MS, 12, order);
        double[] sums = new double[5];

        new RetentionSimulation(keep, latency, 10 * MS, SEED).errors(errors, (agesNs, latencyNs) -> {
            int[] best = order.order(agesNs);
            double bestNs = attempts(best, agesNs, latencyNs);
            sums[0] += bestNs;
            sums[1] += attempts(newestFirst(agesNs.length), agesNs, latencyNs);
            sums[2] += attempts(oldestOnly(agesNs.length), agesNs, latencyNs);
            double expected = order.expectedNs(best, agesNs, 0);
            sums[3] += expected;
            sums[4] += (bestNs - expected) * (bestNs - expected);
        });

        System.out.printf("%s: best order %.1f ms, newest first %.1f ms (%+.0f%%), "
                + "oldest first %.1f ms (%+.0f%%)%n", text, sums[0] / errors / MS, sums[1] / errors / MS,
                100 * (sums[1] / sums[0] - 1), sums[2] / errors / MS, 100 * (sums[2] / sums[0] - 1));
        assertTrue(sums[0] <= 1.01 * Math.min(sums[1], sums[2]), "seed " + SEED);
        assertEquals(sums[3] / errors, sums[0] / errors, 4 * Math.sqrt(sums[4]) / errors, "seed " + SEED);
    }

    private static double attempts(int[] order, double[] agesNs, double latencyNs) {
        double ns = 0;
        for (int k : order) {
            ns += 2 * MS + agesNs[k];
            if (agesNs[k] > latencyNs) {
                break;
            }
        }
        return ns;
    }
}
