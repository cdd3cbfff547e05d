// SPDX-License-Identifier: Apache-2.0
package io.backstep.report;

import io.backstep.engine.HistogramSummary;
import io.backstep.engine.RunRecord;
import java.util.ArrayList;
import java.util.List;

/** A run in a few lines for people, as they stand on standard error when it is over. */
public final class Summary {
    private static final int LABEL_COLUMNS = 13;
    private static final int MAX_EVENTS = 20;

    private final StringBuilder text = new StringBuilder();

    private Summary(RunRecord run) {
        RunRecord.TargetName target = run.target();
        RunRecord.Settings settings = run.settings();
        text.append("backstep: ").append(target.kind()).append(' ').append(Figures.printable(target.name()))
                .append(target.pid() == 0 ? "" : " (pid " + target.pid() + ")")
                .append(", ").append(Figures.millis(run.elapsedMs()))
                .append(", a checkpoint every ").append(Figures.millis(settings.intervalMs()))
                .append(", capture ").append(settings.capture())
                .append(", predictor ").append(settings.predictor()).append('\n');
        pacing(run.pacing());
        line("checkpoints", checkpoints(run.checkpoints()));
        retention(run.retained());
        line("pause", pause(run));
        pages(run.pages());
        line("memory", memory(run.memory()));
        integrity(run.integrity());
        if (run.events().rollbackUs().count() > 1) {
            line("rollbacks", run.events().rollbackUs().count() + ", " + micros(run.events().rollbackUs()));
        }
        lines("events", events(run.events()));
        leftOut(run.events().leftOut());
        lines("warning", run.warnings().stream().map(Figures::printable).toList());
        line("exit", exit(run.exit()));
    }

    /** The lines, each with its end. */
    public static String render(RunRecord run) {
        return new Summary(run).text.toString();
    }

    /** Of an interval that adapts. */
    private void pacing(RunRecord.Pacing pacing) {
        if (pacing.decidedBy() != null) {
            line("interval", "adapts to " + Figures.percent(pacing.aimed()) + " of the time, "
                    + (Double.isNaN(pacing.overhead()) ? "" : "cost " + Figures.percent(pacing.overhead()) + ", ")
                    + "at the end decided by: " + pacing.decidedBy());
        }
    }

    /** Of an error latency. */
    private void retention(RunRecord.Retained retained) {
        if (retained.errorLatency() == null) {
            return;
        }
        line("coverage", Figures.percent(retained.asked()) + " asked for, " + Figures.percent(retained.predicted())
                + " predicted with a full history, " + Figures.percent(retained.now()) + " with that at the end ("
                + Figures.millis(retained.historyMs()) + ")"
                + (retained.shortages() == 0 ? "" : "; memory became short " + retained.shortages() + "x, least covered "
                + Figures.percent(retained.least())));
        if (retained.observed() > 0) {
            line("learnt", "from " + retained.observed() + " errors: --error-latency " + retained.errorLatency());
        }
    }

    private static String checkpoints(RunRecord.CheckpointCounts checkpoints) {
        return checkpoints.taken() + " taken, " + checkpoints.failed() + " failed, " + checkpoints.kept() + " kept"
                + (checkpoints.skipped() == 0 ? "" : "; intervals skipped: " + checkpoints.skipped());
    }

    private static String pause(RunRecord run) {
        if (run.pause().us().count() == 0) {
            return "none";
        }
        double share = run.elapsedMs() > 0 ? run.pause().totalMs() / run.elapsedMs() : Double.NaN;
        return micros(run.pause().us()) + (Double.isNaN(share) ? "" : "; " + Figures.percent(share) + " of the time");
    }

    private void pages(RunRecord.PageCounts pages) {
        line("pages", Figures.number(pages.dirtyMean()) + " dirty and " + Figures.number(pages.copiedMean())
                + " copied per interval, "
                + (pages.savedMean() > 0 ? Figures.number(pages.savedMean()) + " saved at a held write, " : "")
                + pages.tracked() + " tracked");
        RunRecord.PredictionScore prediction = pages.prediction();
        if (Double.isFinite(prediction.precision()) || Double.isFinite(prediction.recall())) {
            line("prediction", "precision " + Figures.number(prediction.precision())
                    + ", recall " + Figures.number(prediction.recall())
                    + ", saved about " + Figures.millis(prediction.savedMs()));
        }
    }

    private static String memory(RunRecord.MemoryBytes memory) {
        return "mirror " + Figures.bytes(memory.mirror()) + ", undo " + Figures.bytes(memory.undo())
                + ", held " + Figures.bytes(memory.held()) + ", peak " + Figures.bytes(memory.peak());
    }

    /** Nothing broken is what one expects. */
    private void integrity(RunRecord.Integrity integrity) {
        if (integrity.broken() > 0) {
            line("integrity", integrity.checked() + " frames checked, " + integrity.broken() + " places broken, "
                    + integrity.repaired() + " repaired, " + integrity.checkpointsLost() + " checkpoints lost; redundancy "
                    + integrity.redundancy());
        }
    }

    /** Of very many events, the first and the last. */
    private static List<String> events(RunRecord.Events events) {
        List<String> all = EventLines.of(events);
        if (all.isEmpty()) {
            return List.of("none");
        }
        if (all.size() <= MAX_EVENTS) {
            return all;
        }
        List<String> some = new ArrayList<>(all.subList(0, MAX_EVENTS / 2));
        some.add("... " + (all.size() - MAX_EVENTS) + " more ...");
        some.addAll(all.subList(all.size() - MAX_EVENTS / 2, all.size()));
        return some;
    }

    private void leftOut(RunRecord.LeftOut leftOut) {
        if (!leftOut.equals(RunRecord.LeftOut.NONE)) {
            line("left out", leftOut.faults() + " faults, " + leftOut.detections() + " errors, " + leftOut.rollbacks()
                    + " rollbacks: of very many the first and the last were noted");
        }
    }

    private static String exit(RunRecord.Exit exit) {
        if (exit.signal() != null) {
            return "killed by " + exit.signal();
        }
        return exit.code() == null ? "none, it was let go" : "code " + exit.code();
    }

    private static String micros(HistogramSummary us) {
        return "p50 " + Figures.micros(us.p50()) + ", p99 " + Figures.micros(us.p99())
                + ", max " + Figures.micros(us.max());
    }

    private void lines(String label, List<String> values) {
        for (int i = 0; i < values.size(); i++) {
            line(i == 0 ? label : "", values.get(i));
        }
    }

    private void line(String label, String value) {
        text.append("  ").append(label).append(" ".repeat(LABEL_COLUMNS - label.length())).append(value).append('\n');
    }
}
