// SPDX-License-Identifier: Apache-2.0
package io.backstep.report;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.io.StringWriter;
import java.util.List;

import io.backstep.retain.ErrorLatency;
import io.backstep.retain.Plan;
import io.backstep.retain.PlanRequest;
import io.backstep.retain.Planner;
import io.backstep.retain.Workload;
import org.junit.jupiter.api.Test;

/** What people and machines read of a plan is sealed. */
class PlanTest {
    private static final double MIB = 1 << 20;

    private static Plan plan(double budgetBytes) {
        return Planner.plan(new PlanRequest(ErrorLatency.parse("exp:mean=50ms"), 0.95,
                List.of(20_000_000L, 50_000_000L), new Workload(20 * MIB, 16 * MIB, 200e3, 1500), budgetBytes, 3600e9,
                60e9, 1e6));
    }

    @Test
    void shouldPrintForPeople() throws IOException {
        assertEquals(SampleRuns.golden("plan.txt"), PlanText.of(plan(64 * MIB)));
    }

    @Test
    void shouldSayWhatTheBudgetAllows() throws IOException {
        assertEquals(SampleRuns.golden("plan-short.txt"), PlanText.of(plan(18 * MIB)));
    }

    @Test
    void shouldSayThatNothingFits() {
        String text = PlanText.of(plan(8 * MIB));

        String last = text.lines().reduce((one, next) -> next).orElseThrow();
        assertEquals("nothing fits the memory budget of 8 MiB", last);
    }

    @Test
    void shouldPrintCsv() throws IOException {
        StringWriter writer = new StringWriter();
        PlanTable.writeCsv(plan(64 * MIB), writer);

        assertEquals(SampleRuns.golden("plan.csv"), writer.toString());
    }

    @Test
    void shouldPrintJson() throws IOException {
        StringWriter writer = new StringWriter();
        PlanTable.writeJson(plan(64 * MIB), writer);

        assertEquals(SampleRuns.golden("plan.json"), writer.toString());
    }
}
