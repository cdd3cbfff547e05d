// SPDX-License-Identifier: Apache-2.0
package io.backstep.retain;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;

import io.backstep.core.Checkpoint;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class KeepCoverageTest {
    private static final long MS = 1_000_000;
    /** 20 ms on average, but for one of a hundred that is beyond 2 s. */
    private static final String HEAVY = "mix:0.99*exp:mean=20ms+0.01*uniform:2s..4s";
    private static final long SEED = 7;

    private static KeepCoverage keep(String latency, double coverage, long intervalNs, int depth) {
        ErrorLatency parsed = ErrorLatency.parse(latency);
        return new KeepCoverage(parsed, coverage, intervalNs, depth, new RecoveryOrder(parsed, 20 * MS));
    }

    @ParameterizedTest
    @CsvSource({"50, 0.768, 50", "50, 0.914, 100", "50, 0.988, 200", "10, 0.258, 10"})
    void shouldReachAsFarBackAsTheClosedFormSays(long intervalMs, double coverage, long expectedMs) {
        long spanNs = keep("exp:mean=50ms", coverage, intervalMs * MS, 3).spanNs();

        assertEquals(expectedMs, spanNs / (double) MS, 0.02 * expectedMs);
    }

    @Test
    void shouldKeepOneOnlyWhenThatCovers() {
        KeepCoverage keep = keep("exp:mean=1us", 0.99, 10 * MS, 3);

        assertEquals(0, keep.spanNs());
        assertEquals(1, Outlook.of(keep, keep.latency(), 10 * MS).mostKept());
    }

    @ParameterizedTest
    @ValueSource(strings = {"exp:mean=50ms", "uniform:0..1s", "lognormal:median=300ms,sigma=0.5",
        "weibull:scale=20ms,shape=0.5", HEAVY})
    void shouldCoverWhatIsAskedAtAnyDepth(String latency) {
        for (int depth : new int[] {3, 5, 12, 40}) {
            KeepCoverage keep = keep(latency, 0.95, 10 * MS, depth);

            Outlook outlook = Outlook.of(keep, keep.latency(), 10 * MS);

            assertTrue(outlook.coverage() >= 0.95, () -> keep + ": " + outlook);
            assertTrue(outlook.mostKept() <= depth, () -> keep + ": " + outlook);
            assertTrue(outlook.longestNs() <= keep.longestNs(10 * MS), () -> keep + ": " + outlook);
        }
    }

    @Test
    void shouldKeepNewerOnesCloserTogether() {
        KeepCoverage keep = keep("exp:mean=200ms", 0.99, 10 * MS, 12);
        List<Checkpoint> kept = new ArrayList<>();
        for (int i = 0; i < 1000; i++) {
            kept.add(new Checkpoint(i, i * 10 * MS, null));
            for (Checkpoint excess; (excess = keep.excess(kept)) != null;) {
                kept.remove(excess);
            }
        }

        long newerNs = kept.get(11).atNs() - kept.get(7).atNs();
        long olderNs = kept.get(4).atNs() - kept.get(0).atNs();
        assertEquals(12, kept.size());
        assertTrue(olderNs > 2 * newerNs, kept.toString());
    }

    @Test
    void shouldLoseLittleMoreThanKeepingAll() {
        KeepCoverage keep = keep("exp:mean=500ms", 0.99, 10 * MS, 20);
        Retention all = new KeepSpan(keep.spanNs());

        Outlook thinned = Outlook.of(keep, keep.latency(), 10 * MS);
        Outlook whole = Outlook.of(all, keep.latency(), 10 * MS);

        assertTrue(whole.mostKept() > 10 * thinned.mostKept(), whole + ", " + thinned);
        assertEquals(whole.leastLostNs(), whole.lostNs(), 1000);
        assertTrue(thinned.lostNs() < 1.15 * thinned.leastLostNs(), whole + ", " + thinned);
    }

    @ParameterizedTest
    @ValueSource(strings = {"exp:mean=50ms", "uniform:0..1s", "lognormal:median=300ms,sigma=0.5", HEAVY})
    void shouldKeepAsFewAsLoseLittle(String latency) {
        ErrorLatency parsed = ErrorLatency.parse(latency);
        KeepCoverage keep = KeepCoverage.ofFew(parsed, 0.95, 10 * MS, new RecoveryOrder(parsed, MS));

        Outlook outlook = Outlook.of(keep, parsed, 10 * MS);

        assertTrue(outlook.lostNs() <= 1.1 * outlook.leastLostNs(), keep + ": " + outlook);
    }

    /** Prints how far the checkpoints can be thinned. */
    @Test
    void shouldNeedAThirdOfTheCheckpointsForAHeavyTail() {
        KeepCoverage keep = keep(HEAVY, 0.99, 10 * MS, 12);

        Outlook thinned = Outlook.of(keep, keep.latency(), 10 * MS);
        Outlook last = Outlook.of(new KeepLast((int) (keep.spanNs() / (10 * MS)) + 1), keep.latency(), 10 * MS);

        System.out.printf("%s: %d of %d checkpoints cover %.4f, and lose %.1f ms instead of %.1f ms%n", HEAVY,
                thinned.mostKept(), last.mostKept(), thinned.coverage(), thinned.lostNs() / MS,
                thinned.leastLostNs() / MS);
        assertTrue(thinned.coverage() >= last.coverage() - 1e-3, thinned + ", " + last);
        assertTrue(3 * thinned.mostKept() <= last.mostKept(), thinned + ", " + last);
        assertTrue(thinned.lostNs() < 1.2 * thinned.leastLostNs(), thinned + ", " + last);
    }

    @ParameterizedTest
    @ValueSource(strings = {"exp:mean=50ms", "uniform:0..1s", "lognormal:median=30ms,sigma=1",
        "weibull:scale=20ms,shape=0.5", "mix:0.9*exp:mean=10ms+0.1*uniform:0..2s"})
    void shouldAchieveInSimulationWhatTheOutlookTells(String latency) {
        int errors = 20_000;
        KeepCoverage keep = keep(latency, 0.95, 10 * MS, 8);
        Outlook outlook = Outlook.of(keep, keep.latency(), 10 * MS);
        double[] sums = new double[3];

        new RetentionSimulation(keep, keep.latency(), 10 * MS, SEED).errors(errors, (agesNs, latencyNs) -> {
            for (double ageNs : agesNs) {
                if (ageNs > latencyNs) {
                    sums[0]++;
                    sums[1] += ageNs;
                    sums[2] += ageNs * ageNs;
                    break;
                }
            }
        });

        double covered = sums[0] / errors;
        double lostNs = sums[1] / sums[0];
        double lostErrorNs = Math.sqrt((sums[2] / sums[0] - lostNs * lostNs) / sums[0]);
        double coverageError = Math.sqrt(outlook.coverage() * (1 - outlook.coverage()) / errors);
        assertEquals(outlook.coverage(), covered, 4 * coverageError, "seed " + SEED);
        assertEquals(outlook.lostNs(), lostNs, 4 * lostErrorNs, "seed " + SEED);
    }

    /** Down to the oldest and the newest, and never one whose loss costs more than another's. */
    @Test
    void shouldGiveUpWhatIsMissedLeastAndNeverTheOldestOrTheNewest() {
        KeepCoverage keep = keep("exp:mean=50ms", 0.95, 10 * MS, 20);
        List<Checkpoint> kept = new ArrayList<>();
        for (int i = 0; i <= 12; i++) {
            kept.add(new Checkpoint(i, i * 10 * MS, null));
        }
        Checkpoint oldest = kept.get(0);
        Checkpoint newest = kept.get(12);
        double covered = keep.coverageOf(kept);

        for (Checkpoint least; (least = keep.leastMissed(kept)) != null;) {
            double lostNs = lostNs(keep.latency(), kept, least);
            for (Checkpoint other : kept.subList(1, kept.size() - 1)) {
                assertTrue(lostNs <= 1.3 * lostNs(keep.latency(), kept, other), least + " before " + other + " of " + kept);
            }
            kept.remove(least);
        }

        assertEquals(List.of(oldest, newest), kept);
        assertEquals(covered, keep.coverageOf(kept));
    }

    /** The work that is lost more without one of them: F over an interval, between neighbours. */
    private static double lostNs(ErrorLatency latency, List<Checkpoint> kept, Checkpoint without) {
        int i = kept.indexOf(without);
        double nowNs = kept.get(kept.size() - 1).atNs();
        double ageNs = nowNs - without.atNs();
        double newerNs = nowNs - kept.get(i + 1).atNs();
        return (latency.atMostOnAverage(ageNs, ageNs + 10 * MS) - latency.atMostOnAverage(newerNs, newerNs + 10 * MS))
                * (without.atNs() - kept.get(i - 1).atNs());
    }

    @Test
    void shouldLeaveTheSecondOldestWhenTheOldestIsTooOldByItself() {
        KeepCoverage keep = keep("exp:mean=50ms", 0.95, 10 * MS, 20);
        Checkpoint oldest = new Checkpoint(1, 0, null);
        Checkpoint second = new Checkpoint(2, keep.spanNs() / 2, null);
        Checkpoint newest = new Checkpoint(3, keep.spanNs() + MS, null);

        assertNull(keep.leastMissed(List.of(oldest, second, newest)));
        assertNull(keep.leastMissed(List.of(oldest, newest)));
        assertNull(new KeepLast(3).leastMissed(List.of(oldest, second, newest)));
    }

    @Test
    void shouldBeTheSameWishAtAnotherIntervalAndForAnotherLatency() {
        KeepCoverage few = KeepCoverage.ofFew(ErrorLatency.parse("exp:mean=50ms"), 0.95, 10 * MS);
        ErrorLatency other = ErrorLatency.parse("exp:mean=500ms");

        assertEquals(KeepCoverage.ofFew(other, 0.95, 50 * MS).toString(), few.with(other, 50 * MS).toString());
        assertEquals(7, keep("exp:mean=50ms", 0.95, 10 * MS, 7).with(other, 50 * MS).depth());
    }

    @Test
    void shouldTryWhatTheOrderSays() {
        KeepCoverage keep = keep("exp:mean=50ms", 0.95, 10 * MS, 8);
        Checkpoint old = new Checkpoint(1, 0, null);
        Checkpoint young = new Checkpoint(2, 199 * MS, null);

        assertEquals(old, keep.first(List.of(old, young), 200 * MS, Retention.UNKNOWN_NS, 200 * MS));
        assertEquals(young, keep.first(List.of(young), 200 * MS, Retention.UNKNOWN_NS, 200 * MS));
        assertNull(keep.first(List.of(), 200 * MS, Retention.UNKNOWN_NS, 200 * MS));
    }

    @Test
    void shouldRefuseWhatCannotBe() {
        assertThrows(IllegalArgumentException.class, () -> keep("exp:mean=1ms", 0, MS, 3));
        assertThrows(IllegalArgumentException.class, () -> keep("exp:mean=1ms", 1, MS, 3));
        assertThrows(IllegalArgumentException.class, () -> keep("exp:mean=1ms", Double.NaN, MS, 3));
        assertThrows(IllegalArgumentException.class, () -> keep("exp:mean=1ms", 0.5, MS, 2));
        assertThrows(IllegalArgumentException.class, () -> keep("weibull:scale=1h,shape=0.01", 0.999, MS, 3));
    }
}
