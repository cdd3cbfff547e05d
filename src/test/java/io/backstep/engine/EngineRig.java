// SPDX-License-Identifier: Apache-2.0
package io.backstep.engine;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;

import io.backstep.core.Checkpoint;
import io.backstep.core.Discipline;
import io.backstep.core.FaultPlan;
import io.backstep.predict.Prediction;
import io.backstep.predict.Prices;
import io.backstep.retain.KeepLast;
import io.backstep.retain.Retention;
import io.backstep.store.Redundancy;
import io.backstep.target.FakeTarget;
import io.backstep.target.FaultyTarget;
import io.backstep.target.ManualClock;

/**
 * An engine on a fake target, worked by hand: every 10 ms a capture, unless it is told otherwise before it starts. The fake compares
 * each rollback with the checkpoint, byte for byte. Times are after the start.
 */
final class EngineRig implements AutoCloseable {
    static final long MS = 1_000_000;
    static final long INTERVAL_NS = 10 * MS;

    final ManualClock clock = new ManualClock();
    final Heard heard = new Heard();
    final FakeTarget fake;
    final FaultyTarget target;
    private final long startNs = clock.getAsLong();
    private Retention retention = new KeepLast(5);
    private double overhead;
    private boolean learns;
    private long budgetBytes = 256L << 20;
    private long durationNs = Long.MAX_VALUE;
    private boolean preCopy;
    private Redundancy redundancy = Redundancy.OFF;
    private long scrubNs = Scrubbing.NEVER;
    private FaultPlan faults = FaultPlan.NONE;
    private Engine engine;

    EngineRig() {
        this(FakeTarget::busy);
    }

    EngineRig(FakeTarget.Program program) {
        fake = new FakeTarget(clock, program);
        target = new FaultyTarget(fake, 1);
        fake.pauseNs(0);
        fake.rollbackNs(0);
    }

    EngineRig keep(int checkpoints) {
        return retention(new KeepLast(checkpoints));
    }

    EngineRig retention(Retention ofCheckpoints) {
        retention = ofCheckpoints;
        return this;
    }

    EngineRig overhead(double share) {
        overhead = share;
        return this;
    }

    EngineRig learn() {
        learns = true;
        return this;
    }

    EngineRig budgetBytes(long bytes) {
        budgetBytes = bytes;
        return this;
    }

    EngineRig durationNs(long nanos) {
        durationNs = nanos;
        return this;
    }

    EngineRig redundancy(Redundancy ofFrames) {
        redundancy = ofFrames;
        return this;
    }

    EngineRig scrubNs(long nanos) {
        scrubNs = nanos;
        return this;
    }

    EngineRig preCopy() {
        preCopy = true;
        return this;
    }

    EngineRig faults(FaultPlan plan) {
        faults = plan;
        return this;
    }

    /** The time after the start, by the clock. */
    long time(long afterStartNs) {
        return startNs + afterStartNs;
    }

    EngineRig start() {
        engine = new Engine(new EngineOptions(INTERVAL_NS, overhead, learns, preCopy, Discipline.COPY, Prediction.COST,
                new Prices(1500, 1000, 500), durationNs, redundancy, scrubNs), target, retention, budgetBytes, faults,
                heard, clock, Runnable::run);
        engine.onStart();
        return this;
    }

    Engine engine() {
        return engine;
    }

    /** Works the engine until that time after the start, or its end. */
    void runUntil(long afterStartNs) {
        fake.at(time(afterStartNs), engine::wake);
        while (!engine.isDone() && clock.getAsLong() < time(afterStartNs)) {
            engine.doWork();
        }
    }

    void runToTheEnd() {
        runUntil(60_000 * MS);
        assertTrue(engine.isDone(), "the target does not end");
    }

    /** When the kept checkpoints were taken, after the start. */
    List<Long> keptNs() {
        return engine.checkpoints().stream().map(checkpoint -> checkpoint.atNs() - startNs).toList();
    }

    List<Long> keptIds() {
        return engine.checkpoints().stream().map(Checkpoint::id).toList();
    }

    RunRecord record() {
        return engine.record("test");
    }

    @Override
    public void close() {
        if (engine != null) {
            engine.close();
            engine.close();
        }
        target.close();
        assertEquals(0, fake.openStates(), "states were not closed");
    }
}
