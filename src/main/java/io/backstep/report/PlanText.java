// SPDX-License-Identifier: Apache-2.0
package io.backstep.report;

import java.math.BigDecimal;
import java.math.RoundingMode;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.function.ToDoubleFunction;

import io.backstep.core.Units;
import io.backstep.retain.ErrorLatency;
import io.backstep.retain.Plan;
import io.backstep.retain.PlanRequest;
import io.backstep.retain.PlanRow;

/** A plan for people: a table, a plot of the best row of each interval, and what is recommended. */
public final class PlanText {
    private static final List<String> TITLES = List.of("interval", "kept", "back to", "coverage", "lost work",
            "recovery", "memory", "overhead", "availability");
    private static final int BAR_WIDTH = 12;
    private static final int MOST_DECIMALS = 6;
    private static final String GAP = "  ";

    private final Plan plan;
    private final StringBuilder text = new StringBuilder();

    private PlanText(Plan plan) {
        this.plan = plan;
    }

    public static String of(Plan plan) {
        return new PlanText(plan).print();
    }

    private String print() {
        PlanRequest request = plan.request();
        ErrorLatency latency = request.latency();
        line("error latency %s: mean %s, half within %s, %s within %s", latency, time(latency.mean()),
                time(latency.quantile(0.5)), Figures.percent(request.coverage()),
                time(latency.quantile(request.coverage())));
        line("an error every %s, a restart takes %s: available %s without checkpoints",
                time(request.betweenErrorsNs()), time(request.restartNs()), share(plan.availabilityOfRestarts()));
        line("");
        table();
        line("");
        plot();
        line("");
        recommendation();
        return text.toString();
    }

    private void table() {
        List<List<String>> cells = new ArrayList<>();
        cells.add(TITLES);
        plan.rows().forEach(row -> cells.add(cells(row)));
        int[] widths = new int[TITLES.size()];
        for (List<String> line : cells) {
            for (int i = 0; i < widths.length; i++) {
                widths[i] = Math.max(widths[i], line.get(i).length());
            }
        }
        for (List<String> line : cells) {
            StringBuilder padded = new StringBuilder();
            for (int i = 0; i < widths.length; i++) {
                String cell = line.get(i);
                padded.append(i == 0 ? "" : GAP).append(" ".repeat(widths[i] - cell.length())).append(cell);
            }
            line("%s", padded);
        }
    }

    private List<String> cells(PlanRow row) {
        return List.of(Units.formatDuration(row.intervalNs()),
                row.isThinned() ? Integer.toString(row.outlook().mostKept()) : "last " + row.depth(), time(row.outlook().longestNs()), share(row.outlook().coverage()), time(row.outlook().lostNs()),
                time(row.recoveryNs()), Figures.bytes((long) row.memoryBytes()) + (row.fits() ? "" : " !"),
                Figures.percent(row.overhead()), share(row.availability()));
    }

    /** The deepest thinned row of each interval; bars of shares that should be 1 tell the nines. */
    private void plot() {
        List<PlanRow> deepest = new ArrayList<>();
        for (PlanRow row : plan.rows()) {
            if (row.isThinned()) {
                deepest.removeIf(other -> other.intervalNs() == row.intervalNs());
                deepest.add(row);
            }
        }
        line("%8s  %-" + BAR_WIDTH + "s  %-" + BAR_WIDTH + "s  %-" + BAR_WIDTH + "s  %-" + BAR_WIDTH + "s", "interval",
                "coverage", "lost work", "memory", "availability");
        for (PlanRow row : deepest) {
            line("%8s  %s  %s  %s  %s", Units.formatDuration(row.intervalNs()),
                    bar(row, deepest, of -> nines(of.outlook().coverage())),
                    bar(row, deepest, of -> of.outlook().lostNs()),
                    bar(row, deepest, PlanRow::memoryBytes),
                    bar(row, deepest, of -> nines(of.availability())));
        }
    }

    private static String bar(PlanRow row, List<PlanRow> rows, ToDoubleFunction<PlanRow> value) {
        double most = rows.stream().mapToDouble(value).max().orElse(1);
        long length = most > 0 ? Math.max(1, Math.round(BAR_WIDTH * value.applyAsDouble(row) / most)) : 1;
        return "#".repeat((int) length) + " ".repeat((int) (BAR_WIDTH - length));
    }

    private static double nines(double share) {
        return Math.min(9, -Math.log10(Math.max(1e-9, 1 - share)));
    }

    private void recommendation() {
        PlanRow row = plan.recommended();
        PlanRequest request = plan.request();
        if (row == null) {
            line("nothing fits the memory budget of %s", Figures.bytes((long) request.budgetBytes()));
            return;
        }
        if (!plan.isAchieved()) {
            line("the memory budget of %s does not allow a coverage of %s", Figures.bytes((long) request.budgetBytes()),
                    share(request.coverage()));
        }
        line("recommended: --interval %s --error-latency %s --coverage %s --keep %d",
                Units.formatDuration(row.intervalNs()), request.latency(), coverage(), row.depth());
        line("  keeps %d checkpoints up to %s back, in %s; covers %s of the errors", row.outlook().mostKept(),
                time(row.outlook().longestNs()), Figures.bytes((long) row.memoryBytes()),
                share(row.outlook().coverage()));
        line("  an error costs %s until the work is done again, %s if the newest checkpoint were tried first",
                time(row.recoveryNs()), time(row.newestFirstNs()));
        line("  available %s instead of %s; captures take %s", share(row.availability()),
                share(plan.availabilityOfRestarts()), Figures.percent(row.overhead()));
    }

    /** As asked for, or what fits, rounded down. */
    private String coverage() {
        BigDecimal exact = BigDecimal.valueOf(plan.coverage());
        return (plan.isAchieved() ? exact : exact.setScale(3, RoundingMode.DOWN)).stripTrailingZeros().toPlainString();
    }

    /** With a digit more than there are nines, rounded down: nothing is more than it is. */
    private static String share(double share) {
        int decimals = (int) Math.max(1, Math.min(MOST_DECIMALS, Math.ceil(nines(share)) - 1));
        return new BigDecimal(100 * share).setScale(decimals, RoundingMode.DOWN).toPlainString() + "%";
    }

    private static String time(double ns) {
        return Double.isFinite(ns) ? Figures.micros(ns / 1000) : "endless";
    }

    private void line(String format, Object... arguments) {
        text.append(String.format(Locale.ROOT, format, arguments).stripTrailing()).append('\n');
    }
}
