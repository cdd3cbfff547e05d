// SPDX-License-Identifier: Apache-2.0
package io.backstep.report;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.StreamWriteFeature;
import com.fasterxml.jackson.core.util.DefaultIndenter;
import com.fasterxml.jackson.core.util.DefaultPrettyPrinter;
import com.fasterxml.jackson.core.util.Separators;
import com.fasterxml.jackson.core.util.Separators.Spacing;
import io.backstep.core.BackstepException;
import io.backstep.core.Phase;
import io.backstep.engine.DetectionRecord;
import io.backstep.engine.FaultRecord;
import io.backstep.engine.HistogramSummary;
import io.backstep.engine.RollbackRecord;
import io.backstep.engine.RunRecord;
import java.io.IOException;
import java.io.Writer;
import java.math.BigDecimal;
import java.math.RoundingMode;
import java.nio.file.Path;

/**
 * A run as JSON for machines. Keys name their units; numbers have at most three decimals; what is not known is null.
 * Keys are only ever added.
 */
public final class JsonReport {
    private static final int DECIMALS = 3;
    private static final double PERCENT = 100;
    private static final JsonFactory FACTORY =
            JsonFactory.builder().disable(StreamWriteFeature.AUTO_CLOSE_TARGET).build();
    private static final DefaultIndenter INDENTER = new DefaultIndenter("  ", "\n");

    private final JsonGenerator json;

    private JsonReport(JsonGenerator json) {
        this.json = json;
    }

    /**
     * Writes the report of a run to a file, whole or not at all.
     *
     * @throws BackstepException FAILED: nothing was written, and a file that was there before is as it was.
     */
    public static void write(RunRecord run, Path path) {
        WholeFile.write(path, writer -> write(run, writer));
    }

    /**
     * Makes sure that a report can be written to a file, as far as can be told before the run.
     *
     * @throws BackstepException FAILED: it cannot.
     */
    public static void check(Path path) {
        WholeFile.check(path);
    }

    /** Writes the report of a run. The writer stays open. */
    public static void write(RunRecord run, Writer writer) throws IOException {
        try (JsonGenerator json = FACTORY.createGenerator(writer)) {
            json.setPrettyPrinter(prettyPrinter());
            new JsonReport(json).run(run);
            json.writeRaw('\n');
        }
    }

    private static DefaultPrettyPrinter prettyPrinter() {
        Separators separators = Separators.createDefaultInstance()
                .withObjectFieldValueSpacing(Spacing.AFTER)
                .withObjectEmptySeparator("")
                .withArrayEmptySeparator("");
        DefaultPrettyPrinter printer = new DefaultPrettyPrinter(separators);
        printer.indentObjectsWith(INDENTER);
        printer.indentArraysWith(INDENTER);
        return printer;
    }

    private void run(RunRecord run) throws IOException {
        json.writeStartObject();
        json.writeStringField("version", run.version());
        target(run.target());
        number("interval_ms", run.settings().intervalMs());
        json.writeStringField("capture", run.settings().capture());
        json.writeStringField("predictor", run.settings().predictor());
        pacing(run.pacing());
        retention(run.retained());
        number("elapsed_ms", run.elapsedMs());
        checkpoints(run.checkpoints());
        pauses(run.pause());
        pages(run.pages());
        memory(run.memory());
        integrity(run.integrity());
        faults(run.events());
        detections(run.events());
        rollbacks(run.events());
        leftOut(run.events().leftOut());
        histogram("rollback_us", run.events().rollbackUs());
        histogram("latency_ms", run.events().latencyMs());
        exit(run.exit());
        json.writeArrayFieldStart("warnings");
        for (String warning : run.warnings()) {
            json.writeString(warning);
        }
        json.writeEndArray();
        host(run.host());
        json.writeEndObject();
    }

    private void target(RunRecord.TargetName target) throws IOException {
        json.writeObjectFieldStart("target");
        json.writeStringField("kind", target.kind());
        json.writeStringField("name", target.name());
        if (target.pid() == 0) {
            json.writeNullField("pid");
        } else {
            json.writeNumberField("pid", target.pid());
        }
        json.writeEndObject();
    }

    private void pacing(RunRecord.Pacing pacing) throws IOException {
        json.writeObjectFieldStart("pacing");
        number("aimed_percent", PERCENT * pacing.aimed());
        number("overhead_percent", PERCENT * pacing.overhead());
        json.writeStringField("decided_by", pacing.decidedBy());
        json.writeEndObject();
    }

    private void retention(RunRecord.Retained retained) throws IOException {
        json.writeObjectFieldStart("retention");
        json.writeStringField("policy", retained.policy());
        json.writeStringField("error_latency", retained.errorLatency());
        number("observed", retained.observed() < 0 ? Double.NaN : retained.observed());
        number("coverage_asked", retained.asked());
        number("coverage_predicted", retained.predicted());
        number("coverage_now", retained.now());
        number("coverage_least", retained.least());
        json.writeNumberField("shortages", retained.shortages());
        json.writeNumberField("kept", retained.kept());
        number("history_ms", retained.historyMs());
        number("longest_ms", retained.longestMs());
        json.writeEndObject();
    }

    private void checkpoints(RunRecord.CheckpointCounts checkpoints) throws IOException {
        json.writeObjectFieldStart("checkpoints");
        json.writeNumberField("taken", checkpoints.taken());
        json.writeNumberField("failed", checkpoints.failed());
        json.writeNumberField("kept", checkpoints.kept());
        json.writeNumberField("skipped", checkpoints.skipped());
        json.writeEndObject();
    }

    private void pauses(RunRecord.PauseTimes pause) throws IOException {
        number("paused_ms", pause.totalMs());
        histogram("pause_us", pause.us());
        json.writeObjectFieldStart("phase_us");
        for (Phase phase : Phase.values()) {
            histogram(phase.key(), pause.phaseUs().getOrDefault(phase, HistogramSummary.EMPTY));
        }
        json.writeEndObject();
    }

    private void pages(RunRecord.PageCounts pages) throws IOException {
        json.writeObjectFieldStart("pages");
        json.writeNumberField("tracked", pages.tracked());
        number("dirty_mean", pages.dirtyMean());
        number("copied_mean", pages.copiedMean());
        number("saved_mean", pages.savedMean());
        json.writeObjectFieldStart("prediction");
        number("precision", pages.prediction().precision());
        number("recall", pages.prediction().recall());
        number("saved_ms", pages.prediction().savedMs());
        json.writeEndObject();
        json.writeEndObject();
    }

    private void memory(RunRecord.MemoryBytes memory) throws IOException {
        json.writeObjectFieldStart("memory_bytes");
        json.writeNumberField("mirror", memory.mirror());
        json.writeNumberField("undo", memory.undo());
        json.writeNumberField("peak", memory.peak());
        json.writeNumberField("held", memory.held());
        json.writeEndObject();
    }

    private void integrity(RunRecord.Integrity integrity) throws IOException {
        json.writeObjectFieldStart("integrity");
        json.writeStringField("redundancy", integrity.redundancy());
        json.writeNumberField("checked", integrity.checked());
        json.writeNumberField("broken", integrity.broken());
        json.writeNumberField("repaired", integrity.repaired());
        json.writeNumberField("checkpoints_lost", integrity.checkpointsLost());
        json.writeEndObject();
    }

    private void faults(RunRecord.Events events) throws IOException {
        json.writeArrayFieldStart("faults");
        for (FaultRecord fault : events.faults()) {
            json.writeStartObject();
            number("at_ms", fault.atMs());
            json.writeStringField("model", fault.model());
            json.writeStringField("where", fault.where());
            json.writeNumberField("seed", fault.seed());
            json.writeEndObject();
        }
        json.writeEndArray();
    }

    private void detections(RunRecord.Events events) throws IOException {
        json.writeArrayFieldStart("detections");
        for (DetectionRecord detection : events.detections()) {
            json.writeStartObject();
            number("at_ms", detection.atMs());
            json.writeStringField("detector", detection.detector());
            json.writeStringField("what", detection.what());
            number("latency_ms", detection.latencyMs());
            json.writeEndObject();
        }
        json.writeEndArray();
    }

    private void rollbacks(RunRecord.Events events) throws IOException {
        json.writeArrayFieldStart("rollbacks");
        for (RollbackRecord rollback : events.rollbacks()) {
            json.writeStartObject();
            number("at_ms", rollback.atMs());
            json.writeNumberField("to_checkpoint", rollback.toCheckpoint());
            number("age_ms", rollback.ageMs());
            json.writeNumberField("attempt", rollback.attempt());
            json.writeNumberField("pages_written", rollback.pagesWritten());
            number("duration_us", rollback.durationUs());
            json.writeStringField("outcome", rollback.outcome().key());
            json.writeEndObject();
        }
        json.writeEndArray();
    }

    private void leftOut(RunRecord.LeftOut leftOut) throws IOException {
        json.writeObjectFieldStart("left_out");
        json.writeNumberField("faults", leftOut.faults());
        json.writeNumberField("detections", leftOut.detections());
        json.writeNumberField("rollbacks", leftOut.rollbacks());
        json.writeEndObject();
    }

    private void exit(RunRecord.Exit exit) throws IOException {
        json.writeObjectFieldStart("exit");
        if (exit.code() == null) {
            json.writeNullField("code");
        } else {
            json.writeNumberField("code", exit.code());
        }
        json.writeStringField("signal", exit.signal());
        json.writeEndObject();
    }

    private void host(RunRecord.Host host) throws IOException {
        json.writeObjectFieldStart("host");
        json.writeStringField("kernel", host.kernel());
        json.writeNumberField("cpus", host.cpus());
        json.writeStringField("jdk", host.jdk());
        json.writeEndObject();
    }

    private void histogram(String key, HistogramSummary histogram) throws IOException {
        json.writeObjectFieldStart(key);
        json.writeNumberField("count", histogram.count());
        number("p50", histogram.p50());
        number("p90", histogram.p90());
        number("p99", histogram.p99());
        number("max", histogram.max());
        json.writeEndObject();
    }

    private void number(String key, double value) throws IOException {
        json.writeFieldName(key);
        if (!Double.isFinite(value)) {
            json.writeNull();
            return;
        }
        BigDecimal rounded = BigDecimal.valueOf(value).setScale(DECIMALS, RoundingMode.HALF_UP).stripTrailingZeros();
        json.writeNumber(rounded.toPlainString());
    }
}
