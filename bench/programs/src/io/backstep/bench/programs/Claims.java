// SPDX-License-Identifier: Apache-2.0
package io.backstep.bench.programs;

import java.util.List;

import io.backstep.bench.Table;

/** What is claimed of all programs together, row by row, and whether it holds. */
final class Claims {
    private static final double MEAN_AT_50_MS = 0.03;
    private static final double GOAL_AT_50_MS = 0.01;
    private static final double MOST_AT_50_MS = 0.08;
    private static final double MEAN_AT_20_MS = 0.063;
    private static final double PAUSE_US = 1000;
    /** Of twelve programs; of fewer the same share. */
    private static final double ENOUGH = 9 / 12.0;
    private static final double NOT_WORSE = 0.005;

    private final Results results;
    private final Table table = new Table("all programs", "row, interval, what", "figure", "95 %", "bound");

    private Claims(Results results) {
        this.results = results;
    }

    static Table judge(Results results, List<Row> rows, Row byDefault, List<Integer> intervalsMs) {
        Claims claims = new Claims(results);
        for (int intervalMs : intervalsMs) {
            for (Row row : rows) {
                Results.Way way = new Results.Way(row, intervalMs);
                if (row.isPeer()) {
                    claims.tell(way, byDefault);
                } else {
                    claims.judge(way);
                }
            }
            for (Row row : rows) {
                claims.compare(row, rows, intervalMs);
            }
        }
        claims.table.remark("overhead: of the lower quartile of own time; goal for the mean at 50 ms: %s",
                Tables.percent(GOAL_AT_50_MS));
        return claims.table;
    }

    /** A peer, of which nothing is claimed. */
    private void tell(Results.Way way, Row byDefault) {
        int ran = results.programs(way).size();
        if (ran > 0) {
            add(way, "mean overhead of " + count(ran) + ", " + Tables.multiple(results.meanMultiple(way, byDefault))
                    + " that of " + byDefault, results.meanOverhead(way), Double.NaN,
                    Tables.interval(results.meanInterval(way)));
        }
    }

    private void judge(Results.Way way) {
        double mean = results.meanOverhead(way);
        double bound = way.intervalMs() == 50 ? MEAN_AT_50_MS : way.intervalMs() == 20 ? MEAN_AT_20_MS : Double.NaN;
        add(way, "mean overhead", mean, bound, Tables.interval(results.meanInterval(way)));
        double most = results.programs().stream().mapToDouble(program -> results.overhead(program, way)).max()
                .orElse(Double.NaN);
        add(way, "highest overhead", most, way.intervalMs() == 50 ? MOST_AT_50_MS : Double.NaN, "");
        long shortPauses = results.programs().stream()
                .filter(program -> results.cell(program, way).reported("pause_us.p99") <= PAUSE_US).count();
        addCount(way.intervalMs() == 50, way, "p99 of pauses at most 1 ms", shortPauses);
        long same = results.programs().stream().filter(program -> results.sameOutput(program, way)).count();
        table.add(same == results.programs().size() ? Table.Grade.MET : Table.Grade.NOT_MET, name(way, "same output"),
                count(same), "", "all");
    }

    /** The predictor {@code cost} against the others under the same discipline. */
    private void compare(Row row, List<Row> rows, int intervalMs) {
        Row off = new Row(row.capture(), "off");
        Row last = new Row(row.capture(), "last");
        if (!"cost".equals(row.predictor()) || !rows.contains(off) || !rows.contains(last)) {
            return;
        }
        Results.Way way = new Results.Way(row, intervalMs);
        Results.Way without = new Results.Way(off, intervalMs);
        Results.Way simple = new Results.Way(last, intervalMs);
        long better = results.programs().stream().filter(program -> results.overhead(program, way)
                < Math.min(results.overhead(program, without), results.overhead(program, simple))).count();
        addCount(true, way, "faster than off and last", better);
        long savesMost = results.programs().stream().filter(program -> results.saved(program, way)
                > Math.max(results.saved(program, without), results.saved(program, simple))).count();
        addCount(true, way, "saves more than off and last, by its own account", savesMost);
        double worst = results.programs().stream()
                .mapToDouble(program -> results.overhead(program, way) - results.overhead(program, without)).max()
                .orElse(Double.NaN);
        add(way, "worst against off", worst, NOT_WORSE, "");
    }

    /** @param bound NaN: there is none */
    private void add(Results.Way way, String what, double share, double bound, String interval) {
        table.add(Double.isNaN(bound) ? Table.Grade.NONE : Table.Grade.atMost(share, bound), name(way, what),
                Tables.percent(share), interval, Double.isNaN(bound) ? "" : Table.text("%.1f %%", 100 * bound));
    }

    private void addCount(boolean isClaimed, Results.Way way, String what, long programs) {
        double enough = Math.ceil(ENOUGH * results.programs().size());
        table.add(!isClaimed ? Table.Grade.NONE : programs >= enough ? Table.Grade.MET : Table.Grade.NOT_MET,
                name(way, what), count(programs),
                "", isClaimed ? Table.text("%.0f", enough) : "");
    }

    private String count(long programs) {
        return programs + " of " + results.programs().size();
    }

    private static String name(Results.Way way, String what) {
        return way.row() + ", " + way.intervalMs() + " ms, " + what;
    }
}
