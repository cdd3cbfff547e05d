// SPDX-License-Identifier: Apache-2.0
package io.backstep.cli;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.CompletableFuture;

import io.backstep.Backstep;
import io.backstep.core.BackstepException;
import io.backstep.engine.Engine;
import io.backstep.engine.RollbackRecord;
import io.backstep.engine.RunRecord;
import io.backstep.engine.StatusSnapshot;

/** Answers the control socket's requests with an engine's. Without a socket the protection goes on, with a warning. */
final class Control implements AutoCloseable {
    private final ControlServer server;

    private Control(ControlServer server) {
        this.server = server;
    }

    static Control open(Backstep backstep, Console console) {
        try {
            return new Control(
                    ControlServer.open((int) backstep.target().pid(), request -> answer(backstep.engine(), request)));
        } catch (BackstepException e) {
            console.warning("'backstep ctl' will not reach this target: " + e.getMessage());
            return new Control(null);
        }
    }

    private static CompletableFuture<Map<String, Object>> answer(Engine engine, ControlRequest request) {
        return switch (request.command()) {
            case STATUS -> engine.requestStatus().thenApply(Control::fields);
            case CHECKPOINT -> engine.requestCheckpoint().thenApply(id -> Map.of("checkpoint", id));
            case ROLLBACK -> engine.requestRollback(request.to()).thenApply(Control::fields);
            case DETACH -> engine.requestDetach().thenApply(nothing -> Map.of());
        };
    }

    private static Map<String, Object> fields(StatusSnapshot status) {
        Map<String, Object> fields = new LinkedHashMap<>();
        fields.put("elapsed_ms", status.elapsedMs());
        fields.put("interval_ms", status.intervalMs());
        fields.put("kept", status.kept());
        fields.put("dirty_pages", status.dirtyPages());
        fields.put("pause_us", status.pauseUs());
        fields.put("errors", status.errors());
        fields.put("rollbacks", status.rollbacks());
        fields.put("held_bytes", status.heldBytes());
        fields.put("pacing", fields(status.pacing()));
        fields.put("retention", fields(status.retained()));
        return fields;
    }

    private static Map<String, Object> fields(RunRecord.Pacing pacing) {
        Map<String, Object> fields = new LinkedHashMap<>();
        fields.put("aimed_percent", 100 * pacing.aimed());
        fields.put("overhead_percent", 100 * pacing.overhead());
        fields.put("decided_by", pacing.decidedBy());
        return fields;
    }

    private static Map<String, Object> fields(RunRecord.Retained retained) {
        Map<String, Object> fields = new LinkedHashMap<>();
        fields.put("policy", retained.policy());
        fields.put("error_latency", retained.errorLatency());
        fields.put("observed", retained.observed() < 0 ? null : retained.observed());
        fields.put("coverage_asked", retained.asked());
        fields.put("coverage_predicted", retained.predicted());
        fields.put("coverage_now", retained.now());
        fields.put("coverage_least", retained.least());
        fields.put("shortages", retained.shortages());
        fields.put("kept", retained.kept());
        fields.put("history_ms", retained.historyMs());
        fields.put("longest_ms", retained.longestMs());
        return fields;
    }

    private static Map<String, Object> fields(RollbackRecord rollback) {
        Map<String, Object> fields = new LinkedHashMap<>();
        fields.put("to_checkpoint", rollback.toCheckpoint());
        fields.put("age_ms", rollback.ageMs());
        fields.put("attempt", rollback.attempt());
        fields.put("pages_written", rollback.pagesWritten());
        fields.put("duration_us", rollback.durationUs());
        return fields;
    }

    @Override
    public void close() {
        if (server != null) {
            server.close();
        }
    }
}
