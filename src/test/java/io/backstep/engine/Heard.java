// SPDX-License-Identifier: Apache-2.0
package io.backstep.engine;

import java.util.ArrayList;
import java.util.List;

import io.backstep.core.Fault;

/** Remembers all that an engine tells, in order and by kind. */
final class Heard implements EngineListener {
    final List<String> kinds = new ArrayList<>();
    final List<String> warnings = new ArrayList<>();
    final List<String> coverages = new ArrayList<>();
    final List<Fault> faults = new ArrayList<>();
    final List<DetectionRecord> detections = new ArrayList<>();
    final List<RollbackRecord> rollbacks = new ArrayList<>();
    final List<String> givenUp = new ArrayList<>();

    @Override
    public void warning(String text) {
        kinds.add("warning");
        warnings.add(text);
    }

    @Override
    public void coverageChanged(String text) {
        kinds.add("coverage");
        coverages.add(text);
    }

    @Override
    public void faultInjected(Fault fault) {
        kinds.add("fault");
        faults.add(fault);
    }

    @Override
    public void errorDetected(DetectionRecord detection, String detail) {
        kinds.add("error");
        detections.add(detection);
    }

    @Override
    public void rolledBack(RollbackRecord rollback) {
        kinds.add("rollback");
        rollbacks.add(rollback);
    }

    @Override
    public void gaveUp(String error) {
        kinds.add("gave up");
        givenUp.add(error);
    }
}
