// SPDX-License-Identifier: Apache-2.0
package io.backstep.report;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import io.backstep.core.BackstepException;
import io.backstep.core.Phase;
import io.backstep.engine.HistogramSummary;
import io.backstep.engine.RunRecord;
import java.io.IOException;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class JsonReportTest {
    @Test
    void shouldWriteAnEventfulRunAsSealed() throws IOException {
        assertEquals(SampleRuns.golden("eventful.json"), text(SampleRuns.eventful()));
    }

    @Test
    void shouldWriteAnUneventfulRunAsSealed() throws IOException {
        assertEquals(SampleRuns.golden("uneventful.json"), text(SampleRuns.uneventful()));
    }

    @Test
    void shouldReadBackWhatWasWritten() throws IOException {
        RunRecord run = SampleRuns.eventful();

        Map<String, Object> json = object(parse(text(run)));

        assertEquals(run.version(), json.get("version"));
        assertEquals(Map.of("kind", "process", "name", "bzip2", "pid", 4711L), json.get("target"));
        assertEquals(50L, json.get("interval_ms"));
        assertEquals(run.settings().capture(), json.get("capture"));
        assertEquals(run.settings().predictor(), json.get("predictor"));
        assertEquals(9712.413, json.get("elapsed_ms"));
        assertEquals(Map.of("taken", 191L, "failed", 2L, "skipped", 1L, "kept", 3L), json.get("checkpoints"));
        assertHistogram(run.pause().us(), json.get("pause_us"));
        for (Phase phase : Phase.values()) {
            assertHistogram(run.pause().phaseUs().get(phase), object(json.get("phase_us")).get(phase.key()));
        }
        assertEquals(run.pause().totalMs(), json.get("paused_ms"));
        assertEquals(1180.333, object(json.get("pages")).get("dirty_mean"));
        assertEquals(Map.of("precision", 0.914, "recall", 0.84, "saved_ms", 310.25),
                object(json.get("pages")).get("prediction"));
        assertEquals(run.memory().mirror(), object(json.get("memory_bytes")).get("mirror"));
        assertEquals(run.memory().held(), object(json.get("memory_bytes")).get("held"));
        List<?> faults = (List<?>) json.get("faults");
        assertEquals(run.events().faults().size(), faults.size());
        assertEquals(Map.of("at_ms", 812.3, "model", "register", "where", "thread 0 rip bit 44", "seed", 7L),
                faults.get(0));
        List<?> detections = (List<?>) json.get("detections");
        assertEquals(0.1, object(detections.get(0)).get("latency_ms"));
        assertNull(object(detections.get(2)).get("latency_ms"));
        List<?> rollbacks = (List<?>) json.get("rollbacks");
        assertEquals(Map.of("at_ms", 3090.6, "to_checkpoint", 60L, "age_ms", 90.75, "attempt", 2L, "pages_written", 0L,
                "duration_us", 300L, "outcome", "refused"), rollbacks.get(2));
        assertEquals(Map.of("faults", 0L, "detections", 7L, "rollbacks", 8L), json.get("left_out"));
        assertHistogram(run.events().rollbackUs(), json.get("rollback_us"));
        assertHistogram(run.events().latencyMs(), json.get("latency_ms"));
        assertEquals("SIGABRT", object(json.get("exit")).get("signal"));
        assertNull(object(json.get("exit")).get("code"));
        assertEquals(run.warnings(), json.get("warnings"));
        assertEquals(Map.of("kernel", "Linux 6.12.0", "cpus", 2L, "jdk", "17.0.15+6"), json.get("host"));
    }

    @Test
    void shouldHaveTheSameKeysWhateverHappened() throws IOException {
        Map<String, Object> eventful = object(parse(text(SampleRuns.eventful())));
        Map<String, Object> uneventful = object(parse(text(SampleRuns.uneventful())));

        assertEquals(eventful.keySet(), uneventful.keySet());
        for (String key : Set.of(
                "target", "checkpoints", "pause_us", "phase_us", "pages", "memory_bytes", "exit", "host")) {
            assertEquals(object(eventful.get(key)).keySet(), object(uneventful.get(key)).keySet());
        }
    }

    @Test
    void shouldWriteAFile(@TempDir Path directory) throws IOException {
        Path file = directory.resolve("run.json");

        JsonReport.write(SampleRuns.eventful(), file);

        assertEquals(SampleRuns.golden("eventful.json"), Files.readString(file));
    }

    @Test
    void shouldTellBeforeTheRunThatThereIsNoSuchDirectory(@TempDir Path directory) {
        Path file = directory.resolve("missing/run.json");

        BackstepException e = assertThrows(BackstepException.class, () -> JsonReport.check(file));

        assertEquals("cannot write " + file + ": there is no such directory", e.getMessage());
    }

    private static String text(RunRecord run) throws IOException {
        StringWriter writer = new StringWriter();
        JsonReport.write(run, writer);
        return writer.toString();
    }

    private static void assertHistogram(HistogramSummary expected, Object json) {
        Map<String, Object> actual = object(json);
        assertEquals(expected.count(), actual.get("count"));
        assertEquals(List.of("count", "p50", "p90", "p99", "max"), List.copyOf(actual.keySet()));
        assertEquals(expected.p50(), ((Number) actual.get("p50")).doubleValue(), 0.0005);
        assertEquals(expected.p90(), ((Number) actual.get("p90")).doubleValue(), 0.0005);
        assertEquals(expected.p99(), ((Number) actual.get("p99")).doubleValue(), 0.0005);
        assertEquals(expected.max(), ((Number) actual.get("max")).doubleValue(), 0.0005);
    }

    private static Map<String, Object> object(Object json) {
        Map<String, Object> object = new LinkedHashMap<>();
        ((Map<?, ?>) json).forEach((key, value) -> object.put((String) key, value));
        return object;
    }

    /** Objects as maps, arrays as lists, whole numbers as longs, others as doubles. */
    private static Object parse(String text) throws IOException {
        try (JsonParser parser = new JsonFactory().createParser(text)) {
            parser.nextToken();
            Object value = value(parser);
            assertNull(parser.nextToken());
            return value;
        }
    }

    private static Object value(JsonParser parser) throws IOException {
        JsonToken token = parser.currentToken();
        switch (token) {
            case START_OBJECT: {
                Map<String, Object> object = new LinkedHashMap<>();
                while (parser.nextToken() != JsonToken.END_OBJECT) {
                    String key = parser.currentName();
                    parser.nextToken();
                    assertTrue(!object.containsKey(key), "twice: " + key);
                    object.put(key, value(parser));
                }
                return object;
            }
            case START_ARRAY: {
                List<Object> array = new ArrayList<>();
                while (parser.nextToken() != JsonToken.END_ARRAY) {
                    array.add(value(parser));
                }
                return array;
            }
            case VALUE_STRING:
                return parser.getText();
            case VALUE_NUMBER_INT:
                return parser.getLongValue();
            case VALUE_NUMBER_FLOAT:
                return parser.getDoubleValue();
            case VALUE_NULL:
                return null;
            default:
                throw new AssertionError(token);
        }
    }
}
