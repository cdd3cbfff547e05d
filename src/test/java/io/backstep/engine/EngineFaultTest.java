// SPDX-License-Identifier: Apache-2.0
package io.backstep.engine;

import static io.backstep.engine.EngineRig.MS;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class EngineFaultTest {
    private final ScriptedPlan plan = new ScriptedPlan();
    private final EngineRig rig = new EngineRig().faults(plan);

    @AfterEach
    void close() {
        rig.close();
    }

    private List<Double> faultTimesMs() {
        return rig.record().events().faults().stream().map(FaultRecord::atMs).toList();
    }

    private List<Double> latenciesMs() {
        return rig.record().events().detections().stream().map(DetectionRecord::latencyMs).toList();
    }

    @Test
    void shouldInjectFaultsAtTheirTimes() {
        plan.fault(23 * MS).fault(153 * MS);
        rig.fake.faultLatencyNs(4 * MS);
        rig.start();

        rig.runUntil(300 * MS);

        assertEquals(List.of(23.0, 153.0), faultTimesMs());
        FaultRecord fault = rig.record().events().faults().get(0);
        assertEquals("register thread 0 pc bit 0 7", fault.model() + " " + fault.where() + " " + fault.seed());
        assertEquals(2, rig.heard.faults.size());
        assertEquals("fault", rig.heard.kinds.get(0));
    }

    @Test
    void shouldRecordHowLongAFaultWentUnnoticed() {
        plan.fault(23 * MS).fault(153 * MS);
        rig.fake.faultLatencyNs(4 * MS);
        rig.start();

        rig.runUntil(300 * MS);

        assertEquals(List.of(4.0, 4.0), latenciesMs());
        HistogramSummary latency = rig.record().events().latencyMs();
        assertEquals(2, latency.count());
        assertEquals(4.0, latency.max(), 0.01);
    }

    @Test
    void shouldKnowNoLatencyOfAnErrorThatNobodyInjected() {
        rig.fake.errorAt(rig.time(20 * MS), "SIGSEGV");
        rig.start();

        rig.runUntil(30 * MS);

        assertEquals(List.of(Double.NaN), latenciesMs());
        assertEquals(0, rig.record().events().latencyMs().count());
    }

    @Test
    void shouldRecordTheLatencyOfTheFirstDetectionOnly() {
        plan.fault(23 * MS);
        rig.fake.faultLatencyNs(9 * MS);
        rig.start();

        rig.runUntil(200 * MS);

        assertEquals(List.of(9.0, Double.NaN), latenciesMs(), "the checkpoint at 30 ms holds the fault, that at 20 does not");
    }

    @Test
    void shouldRollBackBehindAFaultWhoseTimeTheDetectorKnows() {
        plan.noticed(24 * MS, 13 * MS);
        rig.fake.faultLatencyNs(500 * MS);
        rig.start();

        rig.runUntil(1_000 * MS);

        DetectionRecord detection = rig.heard.detections.get(0);
        assertEquals("plan register 37.0 13.0", detection.detector() + " " + detection.what() + " " + detection.atMs() + " "
                + detection.latencyMs());
        assertEquals(List.of(3L), rig.heard.rollbacks.stream().map(RollbackRecord::toCheckpoint).toList());
        assertEquals(1, rig.heard.detections.size(), "the fault was still there");
        assertFalse(rig.engine().isDone());
    }

    @Test
    void shouldForgetToNoticeAFaultThatARollbackHasUndone() {
        plan.noticed(24 * MS, 13 * MS);
        rig.fake.faultLatencyNs(500 * MS);
        rig.fake.errorAt(rig.time(26 * MS), "SIGSEGV");
        rig.start();

        rig.runUntil(200 * MS);

        assertEquals(List.of("SIGSEGV"), rig.heard.detections.stream().map(DetectionRecord::what).toList());
    }

    @Test
    void shouldWarnAndRunOnWhenAFaultCannotBeInjected() {
        plan.failure(23 * MS).fault(40 * MS);
        rig.fake.faultLatencyNs(MS);
        rig.start();

        rig.runUntil(60 * MS);

        assertEquals(List.of("a fault was not injected: there is no such register"), rig.heard.warnings);
        assertEquals(1, rig.heard.faults.size());
        assertEquals(1, rig.heard.rollbacks.size());
    }

    @Test
    void shouldInjectNothingIntoATargetThatHasEnded() {
        plan.fault(50 * MS);
        rig.fake.endsAt(50 * MS, 0);
        rig.start();

        rig.runToTheEnd();

        assertEquals(RunRecord.Exit.ofCode(0), rig.record().exit());
        assertEquals(List.of(), rig.record().events().faults());
    }

    @Test
    void shouldTellAFaultAlsoWhenTheTargetEndsByIt() {
        plan.fault(20 * MS);
        rig.keep(1);
        rig.fake.endsAt(20 * MS + 1, 0);
        rig.fake.faultLatencyNs(100 * MS);
        rig.start();

        rig.runToTheEnd();

        assertEquals(1, rig.heard.faults.size());
        assertTrue(rig.engine().isDone());
    }
}
