// SPDX-License-Identifier: Apache-2.0
package io.backstep.report;

import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.function.ToDoubleFunction;

import io.backstep.core.Units;
import io.backstep.retain.Plan;
import io.backstep.retain.PlanRow;

/** A plan as a picture in SVG: four panels over the number of checkpoints kept, a line for each interval. */
public final class PlanChart {
    private static final List<String> COLOURS =
            List.of("#4e79a7", "#f28e2b", "#59a14f", "#b07aa1", "#e15759", "#76b7b2");
    private static final int WIDTH = 420;
    private static final int HEIGHT = 260;
    private static final int LEFT = 70;
    private static final int TOP = 60;
    private static final int PLOT_WIDTH = 320;
    private static final int PLOT_HEIGHT = 180;
    private static final int TICKS = 4;

    private final Plan plan;
    private final List<PlanRow> thinned;
    private final List<Long> intervalsNs;
    private final StringBuilder svg = new StringBuilder();

    private PlanChart(Plan plan) {
        this.plan = plan;
        thinned = plan.rows().stream().filter(PlanRow::isThinned).toList();
        intervalsNs = plan.request().intervalsNs();
    }

    /**
     * Draws a plan into a file, whole or not at all.
     *
     * @throws io.backstep.core.BackstepException FAILED: nothing was written, and a file that was there before is as it
     *     was.
     */
    public static void write(Plan plan, Path path) {
        WholeFile.write(path, writer -> writer.write(of(plan)));
    }

    /**
     * Makes sure that a file can be written, as far as can be told before.
     *
     * @throws io.backstep.core.BackstepException FAILED: it cannot.
     */
    public static void check(Path path) {
        WholeFile.check(path);
    }

    static String of(Plan plan) {
        return new PlanChart(plan).draw();
    }

    private String draw() {
        put("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" font-family=\"sans-serif\" "
                + "font-size=\"11\">%n<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>%n", 2 * WIDTH,
                TOP + 2 * HEIGHT);
        text(LEFT, 18, "start",
                "error latency " + plan.request().latency() + ", coverage " + plan.request().coverage());
        for (int i = 0; i < intervalsNs.size(); i++) {
            put("<rect x=\"%d\" y=\"26\" width=\"11\" height=\"11\" fill=\"%s\"/>%n", LEFT + 80 * i, colour(i));
            text(LEFT + 80 * i + 16, 36, "start", Units.formatDuration(intervalsNs.get(i)));
        }
        panel(0, 0, "errors not covered, %", row -> 100 * (1 - row.outlook().coverage()));
        panel(1, 0, "lost work, ms", row -> row.outlook().lostNs() / 1e6);
        panel(0, 1, "memory, MiB", row -> row.memoryBytes() / (1 << 20));
        panel(1, 1, "not available, millionths", row -> 1e6 * (1 - row.availability()));
        return svg.append("</svg>\n").toString();
    }

    private void panel(int column, int line, String title, ToDoubleFunction<PlanRow> value) {
        int left = LEFT + WIDTH * column;
        int zero = TOP + HEIGHT * line + 20 + PLOT_HEIGHT;
        double most = thinned.stream().mapToDouble(value).max().orElse(1);
        double scale = most > 0 ? most : 1;
        int deepest = Math.max(1, thinned.stream().mapToInt(row -> row.outlook().mostKept()).max().orElse(1));
        text(left, zero - PLOT_HEIGHT - 8, "start", title);
        for (int i = 0; i <= TICKS; i++) {
            int y = zero - PLOT_HEIGHT * i / TICKS;
            put("<line x1=\"%d\" x2=\"%d\" y1=\"%d\" y2=\"%d\" stroke=\"#ddd\"/>%n", left, left + PLOT_WIDTH, y, y);
            text(left - 6, y + 4, "end", Figures.number(scale * i / TICKS));
        }
        text(left, zero + 16, "middle", "0");
        text(left + PLOT_WIDTH, zero + 16, "middle", deepest + " kept");
        for (int i = 0; i < intervalsNs.size(); i++) {
            long intervalNs = intervalsNs.get(i);
            StringBuilder points = new StringBuilder();
            for (PlanRow row : thinned) {
                if (row.intervalNs() == intervalNs) {
                    double x = left + (double) PLOT_WIDTH * row.outlook().mostKept() / deepest;
                    double y = zero - PLOT_HEIGHT * value.applyAsDouble(row) / scale;
                    points.append(String.format(Locale.ROOT, "%.1f,%.1f ", x, y));
                    put("<circle cx=\"%.1f\" cy=\"%.1f\" r=\"%d\" fill=\"%s\"/>%n", x, y,
                            row.equals(plan.recommended()) ? 6 : 3, colour(i));
                }
            }
            put("<polyline points=\"%s\" fill=\"none\" stroke=\"%s\"/>%n", points.toString().trim(), colour(i));
        }
    }

    private static String colour(int i) {
        return COLOURS.get(i % COLOURS.size());
    }

    private void text(int x, int y, String anchor, String text) {
        put("<text x=\"%d\" y=\"%d\" text-anchor=\"%s\">%s</text>%n", x, y, anchor,
                text.replace("&", "&amp;").replace("<", "&lt;"));
    }

    private void put(String format, Object... arguments) {
        svg.append(String.format(Locale.ROOT, format, arguments));
    }
}
