// SPDX-License-Identifier: Apache-2.0
package io.backstep.report;

import io.backstep.engine.DetectionRecord;
import io.backstep.engine.FaultRecord;
import io.backstep.engine.RollbackRecord;
import io.backstep.engine.RunRecord;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;

/**
 * What happened in a run, a line for each fault or error, in order of time. A line goes from the fault over its
 * detection to the rollbacks. A detection belongs to the fault that its error latency points to; a rollback to the
 * detection before it.
 */
final class EventLines {
    /** Records round to less than this. */
    private static final double SAME_TIME_MS = 0.002;

    private record Line(double atMs, String text) {
    }

    private final List<Line> lines = new ArrayList<>();
    private final List<FaultRecord> unnoticed;

    private EventLines(RunRecord.Events events) {
        unnoticed = new ArrayList<>(events.faults());
        double firstMs = events.detections().isEmpty() ? Double.POSITIVE_INFINITY : events.detections().get(0).atMs();
        addRollbacks(events, Double.NEGATIVE_INFINITY, firstMs);
        for (int i = 0; i < events.detections().size(); i++) {
            double endMs = i + 1 < events.detections().size()
                    ? events.detections().get(i + 1).atMs() : Double.POSITIVE_INFINITY;
            addDetection(events, events.detections().get(i), endMs);
        }
        for (FaultRecord fault : unnoticed) {
            add(fault.atMs(), faultText(fault) + " -> no error noticed");
        }
        lines.sort(Comparator.comparingDouble(Line::atMs));
    }

    static List<String> of(RunRecord.Events events) {
        return new EventLines(events).lines.stream().map(Line::text).toList();
    }

    private void addDetection(RunRecord.Events events, DetectionRecord detection, double endMs) {
        StringBuilder text = new StringBuilder();
        FaultRecord fault = takeFault(detection);
        if (fault != null) {
            text.append(faultText(fault)).append(" -> ");
        }
        text.append(detection.what()).append(" (").append(detection.detector()).append(")");
        if (Double.isFinite(detection.latencyMs())) {
            text.append(" after ").append(Figures.millis(detection.latencyMs()));
        }
        int unanswered = text.length();
        for (RollbackRecord rollback : events.rollbacks()) {
            if (rollback.atMs() >= detection.atMs() && rollback.atMs() < endMs) {
                text.append(" -> ").append(rollbackText(rollback));
            }
        }
        if (text.length() == unanswered) {
            text.append(" -> not rolled back");
        }
        add(fault == null ? detection.atMs() : fault.atMs(), text.toString());
    }

    private void addRollbacks(RunRecord.Events events, double fromMs, double endMs) {
        for (RollbackRecord rollback : events.rollbacks()) {
            if (rollback.atMs() >= fromMs && rollback.atMs() < endMs) {
                add(rollback.atMs(), rollbackText(rollback));
            }
        }
    }

    private void add(double atMs, String text) {
        lines.add(new Line(atMs, "at " + Figures.moment(atMs) + " " + Figures.printable(text)));
    }

    private FaultRecord takeFault(DetectionRecord detection) {
        double faultMs = detection.atMs() - detection.latencyMs();
        for (int i = 0; i < unnoticed.size(); i++) {
            if (Math.abs(unnoticed.get(i).atMs() - faultMs) < SAME_TIME_MS) {
                return unnoticed.remove(i);
            }
        }
        return null;
    }

    private static String faultText(FaultRecord fault) {
        return fault.model() + " " + fault.where() + ", seed " + fault.seed();
    }

    private static String rollbackText(RollbackRecord rollback) {
        String outcome = switch (rollback.outcome()) {
            case RECOVERED -> "recovered";
            case RETURNED -> "the error returned";
            case REFUSED -> "refused";
            case BROKEN -> "failed halfway";
        };
        return "checkpoint " + rollback.toCheckpoint()
                + (rollback.attempt() > 1 ? " (attempt " + rollback.attempt() + ")" : "")
                + ", " + Figures.millis(rollback.ageMs()) + " back in " + Figures.micros(rollback.durationUs())
                + ": " + outcome;
    }
}
