// SPDX-License-Identifier: Apache-2.0
package io.backstep.bench.programs;

import java.util.List;

import io.backstep.bench.Sample;
import io.backstep.bench.Table;

/** Results as tables: one for each interval with all programs, and one of what is claimed of all programs together. */
final class Tables {
    private static final double PAUSE_BOUND_US = 1000;

    private Tables() {
    }

    /** @param byDefault the row whose overheads the others are told as multiples of */
    static Table ofInterval(Results results, List<Row> rows, Row byDefault, int intervalMs) {
        Table table = new Table("a capture every " + intervalMs + " ms", "program, row", "undisturbed own s",
                "overhead", "95 %", "of " + byDefault + "'s",
                "of min", "of p50", "paused", "saved", "wall", "pause us p50", "p90", "p99", "max", "fixed",
                "dirty", "copied", "captures", "skipped", "runs", "output");
        for (Program program : results.programs()) {
            for (Row row : rows) {
                Results.Way way = new Results.Way(row, intervalMs);
                if (results.failure(program, way) != null) {
                    table.add(Table.Grade.NONE, name(program, way), "not run, see below");
                    table.remark("%s: %s", name(program, way), results.failure(program, way));
                } else if (results.cell(program, way) != null) {
                    addLine(table, results, program, way, byDefault);
                }
            }
        }
        table.remark("own time: user and system time of the program and the time it stood still; overhead: of its "
                + "lower quartile; saved: by the predictor, faults less what it cost, by its own account; met: p99 "
                + "of pauses at most 1 ms and the same output; skipped: intervals without a capture");
        return table;
    }

    private static void addLine(Table table, Results results, Program program, Results.Way way, Row byDefault) {
        Cell cell = results.cell(program, way);
        double base = results.undisturbed(program).ownMs().lowerQuartile();
        boolean same = results.sameOutput(program, way);
        table.add(way.row().isPeer() ? Table.Grade.NONE
                : same ? Table.Grade.atMost(cell.reported("pause_us.p99"), PAUSE_BOUND_US) : Table.Grade.NOT_MET,
                name(program, way),
                Table.text("%.2f", base / 1e3),
                percent(results.overhead(program, way)),
                interval(results.overheadInterval(program, way)),
                multiple(results.multiple(program, way, byDefault)),
                percent(results.overhead(program, way, Sample::minimum)),
                percent(results.overhead(program, way, Sample::median)),
                percent(cell.of(Run::pausedMs).lowerQuartile() / base),
                percent(results.saved(program, way)),
                percent(results.wallOverhead(program, way)),
                rounded(cell.reported("pause_us.p50")),
                rounded(cell.reported("pause_us.p90")),
                rounded(cell.reported("pause_us.p99")),
                rounded(cell.longestPauseUs()),
                rounded(cell.fixedUs()),
                rounded(cell.reported("pages.dirty_mean")),
                rounded(cell.reported("pages.copied_mean")),
                rounded(cell.reported("checkpoints.taken")),
                rounded(cell.reported("checkpoints.skipped")),
                Integer.toString(cell.size()),
                same ? "same" : "DIFFERS");
    }

    private static String name(Program program, Results.Way way) {
        return program.name() + ", " + way.row();
    }

    /** A dash for what is unknown. */
    static String multiple(double multiple) {
        return Double.isNaN(multiple) ? "-" : Table.text("%.1f x", multiple);
    }

    static String percent(double share) {
        return Table.text("%+.1f %%", 100 * share);
    }

    static String interval(Sample.Interval interval) {
        return Table.text("%+.1f..%+.1f", 100 * interval.low(), 100 * interval.high());
    }

    private static String rounded(double figure) {
        return Double.isNaN(figure) ? "-" : Table.text("%.0f", figure);
    }
}
