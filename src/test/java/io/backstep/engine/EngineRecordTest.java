// SPDX-License-Identifier: Apache-2.0
package io.backstep.engine;

import static io.backstep.engine.EngineRig.MS;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Set;

import io.backstep.core.Pages;
import io.backstep.core.Phase;
import io.backstep.target.FaultyTarget.Failure;
import org.junit.jupiter.api.Test;

/** A run whose numbers are known: ten pages are written in each interval of ten. */
class EngineRecordTest {
    private static final long PAUSE_NS = 500_000;

    private static EngineRig counted() {
        EngineRig rig = new EngineRig((memory, step) -> memory.write(100 + step % 10, step)).keep(4);
        rig.fake.pauseNs(PAUSE_NS);
        for (long page = 100; page < 110; page++) {
            rig.fake.write(page, 0);
        }
        return rig;
    }

    @Test
    void shouldCountCaptures() {
        try (EngineRig rig = counted().start()) {
            rig.target.next(Failure.CAPTURE_FAILS, 1);

            rig.runUntil(106 * MS);

            RunRecord record = rig.record();
            assertEquals(new RunRecord.CheckpointCounts(10, 1, 0, 4), record.checkpoints());
            assertEquals(10, record.pause().us().count());
            assertEquals(10 * PAUSE_NS / 1e6, record.pause().totalMs());
            assertEquals(PAUSE_NS / 1e3, record.pause().us().max(), 1);
            assertEquals(Set.of(Phase.values()), record.pause().phaseUs().keySet());
            assertEquals(PAUSE_NS / 5e3, record.pause().phaseUs().get(Phase.COPY).p50(), 1);
            assertEquals(106.0, record.elapsedMs());
        }
    }

    @Test
    void shouldCountPagesAndMemory() {
        try (EngineRig rig = counted().start()) {
            rig.fake.pauseNs(0);
            rig.runUntil(106 * MS);

            RunRecord record = rig.record();
            assertEquals(11, record.pages().tracked());
            assertEquals((11 + 10 * 10) / 11.0, record.pages().dirtyMean());
            assertEquals(1.0, record.pages().prediction().precision());
            assertEquals(0.5, record.pages().prediction().recall(), 0.5);
            assertTrue(record.memory().mirror() >= Pages.toBytes(11), record.memory().toString());
            assertTrue(record.memory().undo() >= Pages.toBytes(30), record.memory().toString());
            assertTrue(record.memory().peak() >= record.memory().mirror() + record.memory().undo());
            assertEquals(0, record.memory().held());
        }
    }

    @Test
    void shouldCountWhatTheTargetHoldsBack() {
        try (EngineRig rig = new EngineRig().keep(2).start()) {
            rig.runUntil(106 * MS);

            assertEquals(3 * 20, rig.record().memory().held(), "printed in two intervals");
        }
    }

    @Test
    void shouldNameTheRun() {
        try (EngineRig rig = counted().start()) {
            RunRecord record = rig.record();

            assertEquals("test", record.version());
            assertEquals(new RunRecord.TargetName("fake", "fake", 0), record.target());
            assertEquals(new RunRecord.Settings(10, "copy", "cost"), record.settings());
            assertEquals(RunRecord.Host.here(), record.host());
            assertEquals(RunRecord.Exit.NONE, record.exit());
        }
    }

    @Test
    void shouldSumUpRollbacks() {
        try (EngineRig rig = counted()) {
            rig.fake.rollbackNs(2 * MS);
            rig.fake.errorAt(rig.time(45 * MS), "SIGSEGV");
            rig.fake.errorAt(rig.time(145 * MS), "SIGSEGV");
            rig.start();

            rig.runUntil(300 * MS);

            RunRecord.Events events = rig.record().events();
            assertEquals(2, events.rollbacks().size());
            assertEquals(2, events.rollbackUs().count());
            assertEquals(2_000, events.rollbackUs().max(), 2);
            assertEquals(2_000.0, events.rollbacks().get(0).durationUs());
            assertEquals(45.0, events.detections().get(0).atMs());
            assertEquals("fake SIGSEGV", events.detections().get(0).detector() + " " + events.detections().get(0).what());
        }
    }

    @Test
    void shouldCountRollbackPagesOnce() {
        try (EngineRig rig = counted()) {
            rig.fake.errorAt(rig.time(14 * MS), "SIGSEGV"); // before anything is expected to be written
            rig.start();

            rig.runUntil(15 * MS);

            RollbackRecord rollback = rig.record().events().rollbacks().get(0);
            assertEquals(3, rollback.pagesWritten(), "one page in each ms after the checkpoint at 10.5 ms");
        }
    }
}
