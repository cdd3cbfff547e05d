// SPDX-License-Identifier: Apache-2.0
package io.backstep.engine;

import static io.backstep.engine.EngineRig.MS;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;

import io.backstep.core.BackstepException;
import io.backstep.core.BackstepException.Reason;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** Programs that write much, and budgets that hold little. */
class EngineBudgetTest {
    private static final long BUDGET_BYTES = 24L << 20;
    private static final long PAGES_PER_STEP = 20;

    private EngineRig rig;

    @AfterEach
    void close() {
        rig.close();
    }

    /** Writes 200 other pages of its 1,000 in each interval. */
    private static EngineRig steady() {
        return new EngineRig((memory, step) -> {
            for (long i = 0; i < PAGES_PER_STEP; i++) {
                memory.write(100 + (step * PAGES_PER_STEP + i) % 1_000, step);
            }
        });
    }

    /** Has 200 pages more after each interval. */
    private static EngineRig growing() {
        return new EngineRig((memory, step) -> {
            for (long i = 0; i < PAGES_PER_STEP; i++) {
                memory.write(100 + step * PAGES_PER_STEP + i, step);
            }
        });
    }

    @Test
    void shouldDropTheOldestCheckpointsFirst() {
        rig = steady().keep(1_000).budgetBytes(BUDGET_BYTES).start();

        rig.runUntil(1_000 * MS);

        int kept = rig.keptIds().size();
        assertTrue(kept > 5 && kept < 40, kept + " are kept");
        assertEquals(990 * MS, rig.keptNs().get(kept - 1));
        assertEquals(990 * MS - (kept - 1) * EngineRig.INTERVAL_NS, rig.keptNs().get(0));
        assertEquals(2, rig.heard.warnings.size());
        assertTrue(rig.heard.warnings.get(0).contains("will not do"), rig.heard.warnings.get(0));
        assertTrue(rig.heard.warnings.get(1).contains("older checkpoints were dropped early"), rig.heard.warnings.get(1));
        assertTrue(rig.record().memory().peak() <= BUDGET_BYTES + (BUDGET_BYTES >> 6), rig.record().memory().toString());
    }

    @Test
    void shouldStillRollBackToWhatIsLeft() {
        rig = steady().keep(1_000).budgetBytes(BUDGET_BYTES).start();
        rig.runUntil(1_000 * MS);
        rig.fake.corruptAt(rig.time(1_015 * MS), 20 * MS);

        rig.runUntil(1_200 * MS);

        assertEquals(3, rig.heard.rollbacks.size());
        assertFalse(rig.engine().isDone());
    }

    @Test
    void shouldStopProtectingAndLetTheTargetRunOn() {
        rig = growing().budgetBytes(BUDGET_BYTES);
        rig.fake.endsAt(2_000 * MS, 3);
        rig.start();

        rig.runToTheEnd();

        assertFalse(rig.fake.isTracking());
        assertEquals(RunRecord.Exit.ofCode(3), rig.record().exit());
        assertEquals(2_000.0, rig.record().elapsedMs());
        assertEquals(0, rig.record().checkpoints().kept());
        String last = rig.heard.warnings.get(rig.heard.warnings.size() - 1);
        assertTrue(last.startsWith("protection has stopped") && last.contains(Long.toString(BUDGET_BYTES)), last);
    }

    @Test
    void shouldDropAllHistoryBeforeItStopsProtecting() {
        rig = growing().keep(1_000).budgetBytes(BUDGET_BYTES).start();

        rig.runUntil(2_000 * MS);

        assertEquals(3, rig.heard.warnings.size(), rig.heard.warnings.toString());
        assertTrue(rig.heard.warnings.get(0).contains("will not do"), rig.heard.warnings.get(0));
        assertTrue(rig.heard.warnings.get(1).contains("older checkpoints were dropped early"), rig.heard.warnings.get(1));
        assertTrue(rig.heard.warnings.get(2).contains("protection has stopped"), rig.heard.warnings.get(2));
        long pagesHeld = BUDGET_BYTES / 4096;
        assertTrue(rig.record().pages().tracked() > pagesHeld / 2, "stopped at " + rig.record().pages().tracked() + " pages");
    }

    @Test
    void shouldLetErrorsTakeTheirCourseOnceItProtectsNoMore() {
        rig = growing().budgetBytes(BUDGET_BYTES).start();
        rig.fake.errorAt(rig.time(2_000 * MS), "SIGSEGV");

        rig.runToTheEnd();

        assertEquals(1, rig.heard.detections.size());
        assertEquals(1, rig.heard.givenUp.size());
        assertEquals(0, rig.heard.rollbacks.size());
        assertEquals(RunRecord.Exit.ofSignal("SIGSEGV"), rig.record().exit());
    }

    @Test
    void shouldRefuseRequestsOnceItProtectsNoMore() {
        rig = growing().budgetBytes(BUDGET_BYTES).start();
        rig.runUntil(2_000 * MS);

        CompletableFuture<Long> checkpoint = rig.engine().requestCheckpoint();
        CompletableFuture<StatusSnapshot> status = rig.engine().requestStatus();
        rig.runUntil(2_001 * MS);

        BackstepException refusal =
                (BackstepException) assertThrows(CompletionException.class, checkpoint::join).getCause();
        assertEquals(Reason.FAILED, refusal.reason());
        assertEquals("the target is no longer protected", refusal.getMessage());
        assertEquals(0, status.join().kept());
    }

    @Test
    void shouldRunATargetUnprotectedThatDoesNotFitFromTheStart() {
        rig = growing().budgetBytes(BUDGET_BYTES);
        for (long page = 100; page < 10_000; page++) {
            rig.fake.write(page, 0);
        }
        rig.fake.endsAt(100 * MS, 0);

        rig.start();
        rig.runToTheEnd();

        assertEquals(RunRecord.Exit.ofCode(0), rig.record().exit());
        assertEquals(0, rig.record().checkpoints().taken());
        assertTrue(rig.heard.warnings.get(0).startsWith("protection has stopped"), rig.heard.warnings.toString());
    }
}
