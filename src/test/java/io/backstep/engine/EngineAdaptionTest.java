// SPDX-License-Identifier: Apache-2.0
package io.backstep.engine;

import static io.backstep.engine.EngineRig.MS;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;

import io.backstep.core.Fault;
import io.backstep.core.FaultPlan;
import io.backstep.core.FaultSurface;
import io.backstep.retain.ErrorLatency;
import io.backstep.retain.KeepCoverage;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** What adapts while a run goes on: the interval, the error latency, what is kept when memory is short. */
class EngineAdaptionTest {
    private static final long SEED = 3;

    private EngineRig rig;

    @AfterEach
    void close() {
        rig.close();
    }

    /** Writes the same 20 pages all the time. */
    private static EngineRig modest() {
        return new EngineRig((memory, step) -> memory.write(100 + step % 20, step));
    }

    private static KeepCoverage keep(String latency, double coverage) {
        return KeepCoverage.ofFew(ErrorLatency.parse(latency), coverage, EngineRig.INTERVAL_NS);
    }

    @Test
    void shouldHoldTheOverhead() {
        rig = modest().overhead(0.02);
        rig.fake.pauseNs(MS);
        rig.start();

        rig.runUntil(5_000 * MS);

        StatusSnapshot status = rig.engine().status();
        assertEquals(50, status.intervalMs(), 5, "1 ms is 2 % of it");
        assertEquals(0.02, status.pacing().overhead(), 0.002);
        assertEquals("overhead", status.pacing().decidedBy());
        assertEquals(0.02, rig.record().pacing().overhead(), 0.004);
        assertEquals(0.02, rig.record().pacing().aimed());
    }

    @Test
    void shouldKeepForThePresentInterval() {
        rig = modest().overhead(0.005).retention(keep("exp:mean=100ms", 0.9));
        rig.fake.pauseNs(MS);
        rig.start();

        rig.runUntil(10_000 * MS);

        RunRecord.Retained retained = rig.record().retained();
        KeepCoverage expected = keep("exp:mean=100ms", 0.9)
                .with(ErrorLatency.parse("exp:mean=100ms"), (long) (rig.engine().status().intervalMs() * MS));
        assertTrue(rig.engine().status().intervalMs() > 100, "200 ms: " + rig.engine().status());
        assertTrue(retained.policy().endsWith("every " + io.backstep.core.Units.formatDuration(200 * MS))
                || retained.predicted() >= 0.9, retained.toString());
        assertTrue(retained.now() >= 0.9, retained.toString());
        assertTrue(retained.kept() <= expected.depth(), retained.toString());
    }

    @Test
    void shouldSayWhatAFixedIntervalCosts() {
        rig = modest();
        rig.fake.pauseNs(MS);
        rig.start();

        rig.runUntil(1_000 * MS);

        RunRecord.Pacing pacing = rig.record().pacing();
        assertTrue(Double.isNaN(pacing.aimed()));
        assertNull(pacing.decidedBy());
        assertEquals(0.1, pacing.overhead(), 0.02);
    }

    /** Faults half a second apart, each noticed by plan after a latency at random. */
    private static final class Faults implements FaultPlan {
        private final ErrorLatency latency;
        private final SplittableRandom random = new SplittableRandom(SEED);
        private long nextNs = 500 * MS;

        private Faults(ErrorLatency latency) {
            this.latency = latency;
        }

        @Override
        public long nextAfterStartNs() {
            return nextNs;
        }

        @Override
        public Fault strike(FaultSurface surface, long nowNs) {
            nextNs += 500 * MS;
            return new Fault(nowNs, "memory", "nowhere", SEED, (long) latency.sample(random));
        }
    }

    @Test
    void shouldLearnTheErrorLatencyFromFaultsWhoseTimeIsKnown() {
        ErrorLatency truth = ErrorLatency.parse("uniform:40ms..80ms");
        rig = modest().retention(keep("exp:mean=5ms", 0.9)).learn().faults(new Faults(truth)).start();
        double before = truth.atMost(rig.record().retained().historyMs() * MS);

        rig.runUntil(100_000 * MS);

        RunRecord.Retained retained = rig.record().retained();
        assertEquals(0, before);
        assertEquals(199, retained.observed(), 1);
        assertTrue(retained.predicted() >= 0.9, retained.toString());
        ErrorLatency learnt = ErrorLatency.parse(retained.errorLatency());
        assertTrue(Math.abs(learnt.quantile(0.5) - 58 * MS) < 6 * MS, retained.errorLatency());
        assertTrue(truth.atMostOnAverage(retained.historyMs() * MS, (retained.historyMs() + 10) * MS) > 0.85,
                retained.toString());
        List<RollbackRecord> last = rig.heard.rollbacks.subList(rig.heard.rollbacks.size() - 20,
                rig.heard.rollbacks.size());
        assertTrue(last.stream().allMatch(rollback -> rollback.ageMs() >= 40), last.toString());
    }

    /** The same without learning: what is kept stays too short. */
    @Test
    void shouldLearnNothingUnlessAsked() {
        ErrorLatency truth = ErrorLatency.parse("uniform:40ms..80ms");
        rig = modest().retention(keep("exp:mean=5ms", 0.9)).faults(new Faults(truth)).start();

        rig.runUntil(20_000 * MS);

        RunRecord.Retained retained = rig.record().retained();
        assertEquals(-1, retained.observed());
        assertEquals("exp:mean=5ms", retained.errorLatency());
        assertEquals(0, rig.heard.rollbacks.size());
        assertTrue(rig.heard.givenUp.size() > 30);
    }

    /** Nobody knows when the fault occurred: it comes back until a checkpoint is old enough. */
    @Test
    void shouldLearnFromAttemptsThatFailed() {
        rig = modest().retention(keep("mix:0.9*exp:mean=5ms+0.1*uniform:0..500ms", 0.95)).learn().start();
        for (int i = 1; i <= 30; i++) {
            rig.runUntil(i * 3_000L * MS);
            rig.fake.corruptAt(rig.time(i * 3_000L * MS + MS), 75 * MS);
        }

        rig.runUntil(96_000 * MS);

        RunRecord.Retained retained = rig.record().retained();
        assertEquals(30, retained.observed(), 1);
        ErrorLatency learnt = ErrorLatency.parse(retained.errorLatency());
        ErrorLatency stated = ErrorLatency.parse("mix:0.9*exp:mean=5ms+0.1*uniform:0..500ms");
        assertTrue(1 - learnt.atMost(50 * MS) > 3 * (1 - stated.atMost(50 * MS)), retained.errorLatency());
        assertTrue(rig.heard.rollbacks.stream().anyMatch(rollback -> rollback.attempt() > 1));
    }

    /** Writes 400 pages again and again: merging frees what thinning gives up. */
    @Test
    void shouldThinBeforeItShortensTheHistory() {
        KeepCoverage keep = new KeepCoverage(ErrorLatency.parse("exp:mean=100ms"), 0.9, EngineRig.INTERVAL_NS, 64);
        rig = new EngineRig((memory, step) -> {
            for (long i = 0; i < 40; i++) {
                memory.write(100 + (step * 40 + i) % 400, step);
            }
        }).retention(keep).budgetBytes(16L << 20).start();

        rig.runUntil(3_000 * MS);

        RunRecord.Retained retained = rig.record().retained();
        assertTrue(retained.kept() < keep.spanNs() / EngineRig.INTERVAL_NS, "memory was short: " + retained);
        assertTrue(retained.now() >= 0.9, retained.toString());
        assertEquals(List.of(), rig.heard.coverages);
        assertTrue(rig.record().memory().peak() <= (16L << 20) + (1L << 18), rig.record().memory().toString());
    }

    /** Writes other pages all the time: what is in between frees nothing, so the oldest goes. */
    @Test
    void shouldShortenTheHistoryWhereThinningFreesNothing() {
        List<Integer> kept = new ArrayList<>();
        KeepCoverage keep = new KeepCoverage(ErrorLatency.parse("exp:mean=100ms"), 0.9, EngineRig.INTERVAL_NS, 64);
        rig = new EngineRig((memory, step) -> {
            for (long i = 0; i < 20; i++) {
                memory.write(100 + (step * 20 + i) % 4_000, step);
            }
        }).retention(keep).budgetBytes(26L << 20).start();

        for (int i = 1; i <= 300; i++) {
            rig.runUntil(1_000 * MS + i * 10 * MS);
            kept.add(rig.keptIds().size());
        }

        RunRecord.Retained retained = rig.record().retained();
        assertTrue(retained.now() < 0.9, retained.toString());
        assertTrue(rig.heard.warnings.get(0).contains("will not do"), rig.heard.warnings.toString());
        assertTrue(rig.heard.coverages.size() >= 1 && rig.heard.coverages.size() <= 5, rig.heard.coverages.toString());
        assertTrue(rig.heard.coverages.get(0).startsWith("the memory budget is used up: of the errors "));
        double mean = kept.stream().mapToInt(Integer::intValue).average().orElseThrow();
        assertTrue(mean > 4, "mean " + mean);
        assertEquals(1, retained.shortages());
    }
}
