// SPDX-License-Identifier: Apache-2.0
package io.backstep.retain;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.List;

import org.junit.jupiter.api.Test;

class PlannerTest {
    private static final double MS = 1e6;
    private static final double MIB = 1 << 20;
    private static final String HEAVY = "mix:0.99*exp:mean=20ms+0.01*uniform:2s..4s";

    private static Plan plan(
            String latency, double coverage, double memoryBytes, double budgetBytes, long... intervalsMs) {
        List<Long> intervalsNs = Arrays.stream(intervalsMs).mapToObj(ms -> ms * 1_000_000).toList();
        return Planner.plan(new PlanRequest(ErrorLatency.parse(latency), coverage, intervalsNs,
                new Workload(20 * MIB, memoryBytes, 0.2 * MS, 1500), budgetBytes, 3_600_000 * MS, 60_000 * MS, MS));
    }

    @Test
    void shouldCompareEachIntervalAtSeveralDepths() {
        Plan plan = plan("exp:mean=50ms", 0.95, 0, Double.MAX_VALUE, 10, 50);

        for (long intervalMs : new long[] {10, 50}) {
            List<PlanRow> rows =
                    plan.rows().stream().filter(row -> row.intervalNs() == intervalMs * 1_000_000).toList();
            assertEquals(3, rows.get(0).depth());
            assertFalse(rows.get(0).isThinned());
            assertTrue(rows.size() >= 3);
            for (PlanRow row : rows) {
                assertTrue(!row.isThinned() || row.outlook().coverage() >= 0.95, row.toString());
                assertTrue(row.recoveryNs() <= row.newestFirstNs() * (1 + 1e-9), row.toString());
                assertTrue(row.outlook().lostNs() >= row.outlook().leastLostNs() * (1 - 1e-9), row.toString());
            }
        }
    }

    @Test
    void shouldRecommendWhatAchievesTheCoverageWithinTheBudget() {
        Plan plan = plan("exp:mean=50ms", 0.95, 0, 8 * MIB, 5, 10, 20, 50, 100);

        assertTrue(plan.isAchieved());
        assertTrue(plan.rows().contains(plan.recommended()));
        assertTrue(plan.recommended().memoryBytes() <= 8 * MIB);
        assertTrue(plan.recommended().outlook().coverage() >= 0.95);
        assertTrue(plan.recommended().availability() > plan.availabilityOfRestarts());
    }

    @Test
    void shouldSayHowMuchCoverageTheBudgetAllows() {
        Plan plan = plan("exp:mean=200ms", 0.99, 0, 10 * MIB, 10);

        assertFalse(plan.isAchieved());
        assertTrue(plan.coverage() > 0.5 && plan.coverage() < 0.99, Double.toString(plan.coverage()));
        assertTrue(plan.recommended().memoryBytes() <= 10 * MIB);
        assertTrue(plan.recommended().outlook().coverage() >= plan.coverage());
    }

    @Test
    void shouldRecommendNothingWhenTheMirrorAloneDoesNotFit() {
        Plan plan = plan("exp:mean=50ms", 0.95, 100 * MIB, 10 * MIB, 10);

        assertNull(plan.recommended());
        assertFalse(plan.isAchieved());
    }

    /** A program that writes again and again to the same memory, here 1 MiB. */
    @Test
    void shouldNeedAThirdOfTheMemoryForAHeavyTail() {
        Plan plan = plan(HEAVY, 0.99, MIB, Double.MAX_VALUE, 10);

        PlanRow last = plan.rows().get(plan.rows().size() - 1);
        PlanRow thinned = plan.rows().get(plan.rows().size() - 2);
        assertFalse(last.isThinned());
        assertTrue(thinned.isThinned());
        assertTrue(thinned.outlook().coverage() >= last.outlook().coverage() - 1e-3, thinned + ", " + last);
        assertTrue(3 * thinned.memoryBytes() <= last.memoryBytes(), thinned + ", " + last);
        assertTrue(thinned.recoveryNs() <= 1.1 * last.recoveryNs(), thinned + ", " + last);
    }

    @Test
    void shouldCountWrittenPagesOnceWhenTheyComeAgain() {
        Workload spread = new Workload(20 * MIB, 0, 0, 0);
        Workload small = new Workload(20 * MIB, MIB, 0, 0);

        assertEquals(20 * MIB, spread.undoBytes(1e9));
        assertEquals(MIB, small.undoBytes(1e9), 1);
        assertEquals(MIB * -Math.expm1(-0.2), small.undoBytes(10 * MS), 1e-6);
    }

    @Test
    void shouldCountWhatCapturesCost() {
        Workload workload = new Workload(20 * MIB, 0, 0.2 * MS, 1500);

        assertEquals((0.2 + 51.2 * 0.0015) / 10, workload.overhead(10 * MS), 1e-9);
        assertEquals(1, workload.overhead(0.1 * MS));
    }
}
