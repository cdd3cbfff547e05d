// SPDX-License-Identifier: Apache-2.0
package io.backstep.report;

import java.io.IOException;
import java.io.Writer;
import java.math.BigDecimal;
import java.math.MathContext;
import java.math.RoundingMode;
import java.util.LinkedHashMap;
import java.util.Map;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.StreamWriteFeature;
import io.backstep.retain.Plan;
import io.backstep.retain.PlanRequest;
import io.backstep.retain.PlanRow;

/**
 * A plan for machines, as JSON or CSV. Keys name their units, numbers have nine digits, and keys are only ever added.
 */
public final class PlanTable {
    private static final MathContext NINE_DIGITS = new MathContext(9, RoundingMode.HALF_UP);
    private static final double NS_PER_MS = 1e6;
    private static final JsonFactory FACTORY =
            JsonFactory.builder().disable(StreamWriteFeature.AUTO_CLOSE_TARGET).build();

    private PlanTable() {
    }

    /** One object on one line. The writer stays open. */
    public static void writeJson(Plan plan, Writer writer) throws IOException {
        PlanRequest request = plan.request();
        try (JsonGenerator json = FACTORY.createGenerator(writer)) {
            json.writeStartObject();
            json.writeStringField("error_latency", request.latency().toString());
            number(json, "coverage", request.coverage());
            number(json, "written_bytes_per_s", request.workload().writtenPerSecond());
            number(json, "program_bytes", request.workload().memoryBytes());
            number(json, "budget_bytes", request.budgetBytes());
            number(json, "between_errors_ms", request.betweenErrorsNs() / NS_PER_MS);
            number(json, "restart_ms", request.restartNs() / NS_PER_MS);
            number(json, "rollback_ms", request.rollbackNs() / NS_PER_MS);
            number(json, "availability_of_restarts", plan.availabilityOfRestarts());
            json.writeArrayFieldStart("rows");
            for (PlanRow row : plan.rows()) {
                row(json, row);
            }
            json.writeEndArray();
            json.writeBooleanField("achieved", plan.isAchieved());
            number(json, "recommended_coverage", plan.coverage());
            json.writeFieldName("recommended");
            if (plan.recommended() == null) {
                json.writeNull();
            } else {
                row(json, plan.recommended());
            }
            json.writeEndObject();
        }
        writer.write('\n');
    }

    private static void row(JsonGenerator json, PlanRow row) throws IOException {
        json.writeStartObject();
        for (Map.Entry<String, Object> cell : cells(row).entrySet()) {
            if (cell.getValue() instanceof Double number) {
                number(json, cell.getKey(), number);
            } else {
                json.writeObjectField(cell.getKey(), cell.getValue());
            }
        }
        json.writeEndObject();
    }

    private static void number(JsonGenerator json, String key, double value) throws IOException {
        json.writeFieldName(key);
        json.writeNumber(text(value));
    }

    /** A line of keys and one for each row. */
    public static void writeCsv(Plan plan, Writer writer) throws IOException {
        boolean isFirst = true;
        for (PlanRow row : plan.rows()) {
            Map<String, Object> cells = cells(row);
            if (isFirst) {
                writer.write(String.join(",", cells.keySet()) + "\n");
                isFirst = false;
            }
            writer.write(String.join(",", cells.values().stream()
                    .map(value -> value instanceof Double number ? text(number) : value.toString()).toList()) + "\n");
        }
    }

    private static Map<String, Object> cells(PlanRow row) {
        Map<String, Object> cells = new LinkedHashMap<>();
        cells.put("interval_ms", row.intervalNs() / NS_PER_MS);
        cells.put("policy", row.isThinned() ? "coverage" : "last");
        cells.put("depth", row.depth());
        cells.put("kept_mean", row.outlook().kept());
        cells.put("history_ms", row.outlook().longestNs() / NS_PER_MS);
        cells.put("coverage", row.outlook().coverage());
        cells.put("lost_work_ms", row.outlook().lostNs() / NS_PER_MS);
        cells.put("recovery_ms", row.recoveryNs() / NS_PER_MS);
        cells.put("recovery_newest_first_ms", row.newestFirstNs() / NS_PER_MS);
        cells.put("memory_bytes", Math.round(row.memoryBytes()));
        cells.put("overhead", row.overhead());
        cells.put("availability", row.availability());
        cells.put("fits", row.fits());
        return cells;
    }

    private static String text(double value) {
        if (!Double.isFinite(value)) {
            return "null";
        }
        BigDecimal number = new BigDecimal(value).round(NINE_DIGITS);
        return number.signum() == 0 ? "0" : number.stripTrailingZeros().toPlainString();
    }
}
