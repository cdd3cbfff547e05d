// SPDX-License-Identifier: Apache-2.0
package io.backstep.bench.programs;

import java.util.List;
import java.util.StringJoiner;
import java.util.function.ToDoubleFunction;

import io.backstep.bench.Sample;
import io.backstep.bench.Table;

/**
 * Results as comma-separated values: a line for each program, row and interval. Overheads in percent, q1: lower
 * quartile.
 */
final class Csv {
    private static final List<String> REPORTED = List.of("pause_us.p50", "pause_us.p90", "pause_us.p99",
            "pages.dirty_mean", "pages.copied_mean", "pages.tracked", "pages.prediction.precision",
            "pages.prediction.recall", "pages.prediction.saved_ms", "checkpoints.taken", "checkpoints.failed",
            "checkpoints.skipped");
    private static final String HEAD = "program,counterpart,capture,predictor,interval_ms,runs,undisturbed_runs,"
            + "undisturbed_own_ms_q1,undisturbed_wall_ms_q1,own_ms_q1,processor_ms_q1,paused_ms_q1,wall_ms_q1,"
            + "overhead_q1,overhead_low,overhead_high,overhead_min,overhead_p50,overhead_wall,same_output,"
            + "pause_us_max,pause_fixed_us," + String.join(",", REPORTED).replace('.', '_')
            + ",multiple_of_default,not_run";

    private Csv() {
    }

    static String of(Results results, List<Results.Way> ways, Row byDefault) {
        StringJoiner lines = new StringJoiner("\n", HEAD + "\n", "\n");
        for (Program program : results.programs()) {
            for (Results.Way way : ways) {
                if (results.failure(program, way) != null) {
                    lines.add(notRun(results, program, way));
                } else if (results.cell(program, way) != null) {
                    lines.add(line(results, program, way, byDefault));
                }
            }
        }
        return lines.toString();
    }

    private static String line(Results results, Program program, Results.Way way, Row byDefault) {
        Cell cell = results.cell(program, way);
        Cell undisturbed = results.undisturbed(program);
        Sample.Interval interval = results.overheadInterval(program, way);
        StringJoiner line = begin(program, way);
        line.add(Integer.toString(cell.size())).add(Integer.toString(undisturbed.size()));
        add(line, lowerQuartile(undisturbed, Run::ownMs), lowerQuartile(undisturbed, Run::wallMs));
        add(line, lowerQuartile(cell, Run::ownMs), lowerQuartile(cell, Run::processorMs));
        add(line, lowerQuartile(cell, Run::pausedMs), lowerQuartile(cell, Run::wallMs));
        add(line, 100 * results.overhead(program, way), 100 * interval.low(), 100 * interval.high());
        add(line, 100 * results.overhead(program, way, Sample::minimum));
        add(line, 100 * results.overhead(program, way, Sample::median), 100 * results.wallOverhead(program, way));
        line.add(Boolean.toString(results.sameOutput(program, way)));
        add(line, cell.longestPauseUs(), cell.fixedUs());
        REPORTED.forEach(path -> add(line, cell.reported(path)));
        add(line, results.multiple(program, way, byDefault));
        return line.add("").toString();
    }

    private static String notRun(Results results, Program program, Results.Way way) {
        StringJoiner line = begin(program, way);
        for (long i = 5; i < HEAD.chars().filter(character -> character == ',').count(); i++) {
            line.add("");
        }
        return line.add('"' + results.failure(program, way).replace('"', '\'') + '"').toString();
    }

    private static StringJoiner begin(Program program, Results.Way way) {
        return new StringJoiner(",").add(program.name()).add(program.counterpart()).add(way.row().capture())
                .add(way.row().predictor()).add(Integer.toString(way.intervalMs()));
    }

    private static double lowerQuartile(Cell cell, ToDoubleFunction<Run> figure) {
        return cell.of(figure).lowerQuartile();
    }

    /** What is unknown stays empty. */
    private static void add(StringJoiner line, double... figures) {
        for (double figure : figures) {
            line.add(Double.isNaN(figure) ? "" : Table.text("%.3f", figure));
        }
    }
}
