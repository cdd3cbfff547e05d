// SPDX-License-Identifier: Apache-2.0
package io.backstep.engine;

import static io.backstep.engine.EngineRig.MS;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;

import io.backstep.engine.RollbackRecord.Outcome;
import io.backstep.store.Redundancy;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** Checkpoint n is taken at 10 (n - 1) ms. Page 2 is written in every step, page 1 never. */
class EngineIntegrityTest {
    private final EngineRig rig = new EngineRig();

    @AfterEach
    void close() {
        rig.close();
    }

    private List<Outcome> outcomes() {
        return rig.record().events().rollbacks().stream().map(RollbackRecord::outcome).toList();
    }

    private List<Long> triedIds() {
        return rig.record().events().rollbacks().stream().map(RollbackRecord::toCheckpoint).toList();
    }

    @Test
    void shouldTryTheNextOlderCheckpointWhenAFrameIsBroken() {
        rig.fake.at(rig.time(45 * MS), () -> rig.fake.strikeFrameOf(2));
        rig.fake.errorAt(rig.time(47 * MS), "SIGSEGV");
        rig.start();

        rig.runUntil(100 * MS);

        assertEquals(List.of(5L, 4L), triedIds());
        assertEquals(List.of(Outcome.REFUSED, Outcome.RECOVERED), outcomes());
        assertEquals("rollback to checkpoint 5 refused: checkpoint 5 is broken in memory: page 2", rig.heard.warnings.get(0));
        assertEquals("memory that holds checkpoints was struck: 1 places so far, 0 repaired, 0 checkpoints lost",
                rig.heard.warnings.get(1));
        assertEquals(1, rig.record().integrity().broken());
    }

    @Test
    void shouldTryTheNextOlderCheckpointWhenAStateIsBroken() {
        rig.fake.at(rig.time(45 * MS), rig.fake::strikeState);
        rig.fake.errorAt(rig.time(47 * MS), "SIGSEGV");
        rig.start();

        rig.runUntil(100 * MS);

        assertEquals(List.of(Outcome.REFUSED, Outcome.RECOVERED), outcomes());
        assertEquals(1, rig.record().integrity().checkpointsLost());
    }

    @Test
    void shouldNotTryACheckpointThatIsKnownToBeBroken() {
        rig.scrubNs(MS);
        rig.fake.at(rig.time(42 * MS), rig.fake::strikeState);
        rig.fake.errorAt(rig.time(47 * MS), "SIGSEGV");
        rig.start();

        rig.runUntil(100 * MS);

        assertEquals(List.of(4L), triedIds());
        assertEquals(List.of(Outcome.RECOVERED), outcomes());
    }

    @Test
    void shouldRepairAFrameThatARollbackNeeds() {
        for (Redundancy redundancy : List.of(Redundancy.PARITY, Redundancy.MIRROR)) {
            try (EngineRig repairing = new EngineRig().redundancy(redundancy)) {
                repairing.fake.at(repairing.time(45 * MS), () -> repairing.fake.strikeFrameOf(2));
                repairing.fake.errorAt(repairing.time(47 * MS), "SIGSEGV");
                repairing.start();

                repairing.runUntil(100 * MS);

                RunRecord run = repairing.record();
                assertEquals(List.of(Outcome.RECOVERED),
                        run.events().rollbacks().stream().map(RollbackRecord::outcome).toList());
                assertEquals(redundancy.key(), run.integrity().redundancy());
                assertEquals(1, run.integrity().repaired());
            }
        }
    }

    @Test
    void shouldLoseTheCheckpointsThatNeedABrokenFrame() {
        rig.keep(3);
        rig.fake.at(rig.time(45 * MS), () -> rig.fake.strikeFrameOf(2));
        rig.scrubNs(3 * MS);
        rig.start();

        rig.runUntil(100 * MS);

        assertEquals(1, rig.record().integrity().checkpointsLost());
        assertEquals("memory that holds checkpoints was struck: 1 places so far, 0 repaired, 1 checkpoints lost",
                rig.heard.warnings.get(rig.heard.warnings.size() - 1));
    }

    @Test
    void shouldLookAtAllFramesOnceInThePeriod() {
        rig.scrubNs(100 * MS);
        rig.start();

        rig.runUntil(1_000 * MS);

        long checked = rig.record().integrity().checked();
        long held = rig.record().memory().mirror() / 4096;
        assertTrue(checked >= 8 * held, checked + " checked, " + held + " held");
        assertEquals(0, rig.record().integrity().broken());
    }
}
