// SPDX-License-Identifier: Apache-2.0
package io.backstep.cli;

import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.Callable;

import io.backstep.core.Units;
import io.backstep.report.PlanChart;
import io.backstep.report.PlanTable;
import io.backstep.report.PlanText;
import io.backstep.retain.ErrorLatency;
import io.backstep.retain.Plan;
import io.backstep.retain.PlanRequest;
import io.backstep.retain.Planner;
import io.backstep.retain.Workload;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** {@code backstep retain}: which checkpoints to keep for an error latency, and what that achieves. */
@Command(
        name = "retain",
        description =
                "Plans which checkpoints to keep: compares coverage, lost work, memory and availability by interval "
                + "and depth, and recommends options for 'backstep run'. Nothing is run.",
        mixinStandardHelpOptions = true, sortOptions = false,
        footer = {"", "The exit status is 0 if the coverage fits the memory budget, else " + ExitStatus.FAILED + "; "
                + ExitStatus.USAGE + " for bad usage."})
final class RetainCommand implements Callable<Integer> {
    @Spec
    private CommandSpec spec;

    @Option(names = "--error-latency", paramLabel = "SPEC", required = true,
            converter = OptionValues.Latency.class,
            description =
                    OptionValues.LATENCY_FORMS)
    private ErrorLatency errorLatency;

    @Option(names = "--coverage", paramLabel = "P", defaultValue = "0.99",
            description =
                    "The probability that a checkpoint from before the fault is kept when an error is noticed "
                    + "(default: ${DEFAULT-VALUE}).")
    private double coverage;

    @Option(names = "--interval", paramLabel = "TIME", split = ",",
            defaultValue = "5ms,10ms,20ms,50ms,100ms,200ms", converter = OptionValues.Duration.class,
            description = "Times between two captures to compare (default: ${DEFAULT-VALUE}).")
    private List<Long> intervalsNs;

    @Option(names = "--dirty-rate", paramLabel = "SIZE", defaultValue = "20M",
            converter = OptionValues.Bytes.class,
            description =
                    "What the program writes in a second, in pages that count once in a short time "
                    + "(default: ${DEFAULT-VALUE}).")
    private long dirtyPerSecond;

    @Option(names = "--program-memory", paramLabel = "SIZE", converter = OptionValues.Bytes.class,
            description =
                    "The program's memory, for the mirror; its writes are taken to go evenly to all of it. Without it "
                    + "no page is taken to be written twice and the mirror is left out.")
    private Long programMemory;

    @Option(names = "--memory-budget", paramLabel = "SIZE", converter = OptionValues.Bytes.class,
            description = "The most memory that checkpoints may take (default: half of the memory that is free here).")
    private Long memoryBudget;

    @Option(names = "--between-errors", paramLabel = "TIME", defaultValue = "24h",
            converter = OptionValues.Duration.class,
            description = "The mean time between two errors (default: ${DEFAULT-VALUE}).")
    private long betweenErrorsNs;

    @Option(names = "--restart", paramLabel = "TIME", defaultValue = "5m", converter = OptionValues.Duration.class,
            description =
                    "What an error costs that no checkpoint undoes: a restart and all work done again "
                    + "(default: ${DEFAULT-VALUE}).")
    private long restartNs;

    @Option(names = "--rollback", paramLabel = "TIME", defaultValue = "1ms",
            converter = OptionValues.Duration.class,
            description = "What a rollback takes (default: ${DEFAULT-VALUE}).")
    private long rollbackNs;

    @Option(names = "--pause", paramLabel = "TIME", defaultValue = "200us",
            converter = OptionValues.Duration.class,
            description = "What a capture takes, whatever was written (default: ${DEFAULT-VALUE}).")
    private long pauseNs;

    @Option(names = "--page-cost", paramLabel = "TIME", defaultValue = "1500ns",
            converter = OptionValues.Duration.class,
            description = "What a written page costs, its fault and its copy (default: ${DEFAULT-VALUE}).")
    private long pageNs;

    @ArgGroup
    private Format format;

    @Option(names = "--svg", paramLabel = "FILE", description = "Draw the plot there.")
    private Path svg;

    /** How the plan is printed, if not as text. */
    private static final class Format {
        @Option(names = "--json", description = "Print one JSON object.")
        private boolean json;

        @Option(names = "--csv", description = "Print the table as CSV.")
        private boolean csv;
    }

    @Override
    public Integer call() throws IOException {
        requireSense();
        Workload workload = new Workload(dirtyPerSecond, programMemory == null ? 0 : programMemory, pauseNs, pageNs);
        long budgetBytes = memoryBudget == null ? Memory.halfOfFree() : memoryBudget;
        Plan plan = Planner.plan(new PlanRequest(errorLatency, coverage,
                intervalsNs.stream().sorted().distinct().toList(), workload, budgetBytes, betweenErrorsNs, restartNs,
                rollbackNs));
        PrintWriter out = spec.commandLine().getOut();
        if (format != null && format.json) {
            PlanTable.writeJson(plan, out);
        } else if (format != null && format.csv) {
            PlanTable.writeCsv(plan, out);
        } else {
            out.print(PlanText.of(plan));
        }
        out.flush();
        if (svg != null) {
            PlanChart.write(plan, svg);
        }
        return plan.isAchieved() ? 0 : ExitStatus.FAILED;
    }

    private void requireSense() {
        if (!(coverage > 0 && coverage < 1)) {
            throw new IllegalArgumentException("--coverage must be between 0 and 1, not " + coverage);
        }
        intervalsNs.forEach(OptionValues::requireInterval);
        requirePositive("--between-errors", betweenErrorsNs);
        requirePositive("--restart", restartNs);
        requirePositive("--rollback", rollbackNs);
        if (svg != null) {
            PlanChart.check(svg);
        }
    }

    private static void requirePositive(String option, long ns) {
        if (ns <= 0) {
            throw new IllegalArgumentException(option + " must be more than 0, not " + Units.formatDuration(ns));
        }
    }
}
