// SPDX-License-Identifier: Apache-2.0
package io.backstep.bench.programs;

import java.util.List;

import io.backstep.bench.Sample;
import io.backstep.bench.Table;

/**
 * Overheads as a picture in SVG: a panel for each interval, a group for each program and the mean, a bar for each row.
 */
final class Chart {
    private static final List<String> COLOURS = List.of("#4e79a7", "#f28e2b", "#59a14f", "#b07aa1", "#e15759",
            "#76b7b2");
    private static final int LEFT = 60;
    private static final int TOP = 40;
    private static final int PANEL = 260;
    private static final int PLOT = 180;
    private static final int GROUP = 72;
    private static final int GAP = 14;
    private static final int TICKS = 4;
    private static final int LEAST_WIDTH = 520;

    private final Results results;
    private final List<Row> rows;
    private final List<Integer> intervalsMs;
    private final StringBuilder svg = new StringBuilder();

    private Chart(Results results, List<Row> rows, List<Integer> intervalsMs) {
        this.results = results;
        this.rows = rows;
        this.intervalsMs = intervalsMs;
    }

    static String of(Results results, List<Row> rows, List<Integer> intervalsMs) {
        return new Chart(results, rows, intervalsMs).draw();
    }

    private String draw() {
        int width = Math.max(LEAST_WIDTH, LEFT + GROUP * (results.programs().size() + 1) + GAP);
        put("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" font-family=\"sans-serif\" "
                + "font-size=\"11\">%n", width, TOP + PANEL * intervalsMs.size());
        put("<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>%n");
        for (int i = 0; i < rows.size(); i++) {
            put("<rect x=\"%d\" y=\"10\" width=\"11\" height=\"11\" fill=\"%s\"/>%n", LEFT + 110 * i, colour(i));
            text(LEFT + 110 * i + 16, 20, "start", rows.get(i).toString());
        }
        for (int i = 0; i < intervalsMs.size(); i++) {
            panel(intervalsMs.get(i), TOP + PANEL * i, width);
        }
        return svg.append("</svg>\n").toString();
    }

    private void panel(int intervalMs, int top, int width) {
        double scale = tick(intervalMs) * TICKS;
        int zero = top + 20 + PLOT;
        text(LEFT, top + 10, "start", "overhead in percent of own time, a capture every " + intervalMs + " ms");
        for (int i = 0; i <= TICKS; i++) {
            int y = zero - PLOT * i / TICKS;
            put("<line x1=\"%d\" x2=\"%d\" y1=\"%d\" y2=\"%d\" stroke=\"#ddd\"/>%n", LEFT, width - GAP, y, y);
            text(LEFT - 6, y + 4, "end", Table.text("%.0f", 100 * scale * i / TICKS));
        }
        int x = LEFT;
        for (Program program : results.programs()) {
            for (int i = 0; i < rows.size(); i++) {
                Results.Way way = new Results.Way(rows.get(i), intervalMs);
                bar(x, zero, i, results.overhead(program, way), results.overheadInterval(program, way), scale);
            }
            text(x + (GROUP - GAP) / 2, zero + 16, "middle", program.name());
            x += GROUP;
        }
        for (int i = 0; i < rows.size(); i++) {
            Results.Way way = new Results.Way(rows.get(i), intervalMs);
            bar(x, zero, i, results.meanOverhead(way), results.meanInterval(way), scale);
        }
        text(x + (GROUP - GAP) / 2, zero + 16, "middle", "mean");
    }

    /** The bar of the i-th row in a group that begins at x, with its 95 % interval. */
    private void bar(int x, int zero, int i, double overhead, Sample.Interval interval, double scale) {
        double barWidth = (GROUP - GAP) / (double) rows.size();
        double left = x + barWidth * i;
        double middle = left + barWidth / 2;
        double height = Math.max(0, PLOT * overhead / scale);
        put("<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" fill=\"%s\"><title>%+.1f %%</title></rect>%n",
                left, zero - height,
                barWidth - 1, height, colour(i), 100 * overhead);
        put("<line x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\" stroke=\"black\"/>%n", middle, middle,
                zero - Math.max(0, PLOT * interval.low() / scale), zero - Math.max(0, PLOT * interval.high() / scale));
    }

    /** A round distance of the lines such that everything fits. */
    private double tick(int intervalMs) {
        double most = 0.01;
        for (Row row : rows) {
            for (Program program : results.programs()) {
                most = Math.max(most, results.overheadInterval(program, new Results.Way(row, intervalMs)).high());
            }
        }
        double least = most / TICKS;
        double power = Math.pow(10, Math.floor(Math.log10(least)));
        for (int factor : new int[] {1, 2, 5}) {
            if (factor * power >= least) {
                return factor * power;
            }
        }
        return 10 * power;
    }

    private static String colour(int i) {
        return COLOURS.get(i % COLOURS.size());
    }

    private void text(int x, int y, String anchor, String text) {
        put("<text x=\"%d\" y=\"%d\" text-anchor=\"%s\">%s</text>%n", x, y, anchor, text);
    }

    private void put(String format, Object... arguments) {
        svg.append(Table.text(format, arguments));
    }
}
