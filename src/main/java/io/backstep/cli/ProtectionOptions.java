// SPDX-License-Identifier: Apache-2.0
package io.backstep.cli;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;

import io.backstep.Backstep;
import io.backstep.core.Discipline;
import io.backstep.inject.FaultPlaces;
import io.backstep.inject.FaultSpec;
import io.backstep.inject.InjectionPlan;
import io.backstep.predict.Prediction;
import io.backstep.report.HistogramLog;
import io.backstep.report.JsonReport;
import io.backstep.retain.ErrorLatency;
import io.backstep.retain.KeepCoverage;
import io.backstep.retain.KeepLast;
import io.backstep.retain.KeepSpan;
import io.backstep.retain.Retention;
import io.backstep.store.Redundancy;
import io.backstep.sys.NativeProcess;
import io.backstep.sys.Signals;
import picocli.CommandLine.Option;

/** The options that {@code run} and {@code attach} share. */
final class ProtectionOptions {
    private static final double COVERAGE_DEFAULT = 0.99;

    @Option(names = "--interval", paramLabel = "TIME|auto:P%", defaultValue = "50ms",
            converter = OptionValues.IntervalText.class,
            description =
                    "Time between two captures (default: ${DEFAULT-VALUE}). With auto:2%% it adapts, from 1ms to 1s, so "
                    + "that pauses and write faults cost 2%% of the time; when errors come often it is shorter.")
    private OptionValues.Interval interval;

    @Option(names = "--capture", paramLabel = "copy|cow", defaultValue = "copy", converter = OptionValues.Capturing.class,
            description =
                    "How a capture gets what pages were: copy (written pages are copied while the program stands; takes "
                    + "as much memory as the program) or cow (a page's first write is held until the page is saved; "
                    + "takes memory for what is written only, but each such write costs more, and memory that the "
                    + "program gives back ends the checkpoints before it) (default: ${DEFAULT-VALUE}).")
    private Discipline discipline;

    @Option(names = "--predict", paramLabel = "NAME", defaultValue = "cost", converter = OptionValues.Predictor.class,
            description =
                    "Which pages are left writable, because they are expected to be written again: off (none), last "
                    + "(those written in the last interval) or cost (those for which it is cheaper than a fault) "
                    + "(default: ${DEFAULT-VALUE}).")
    private Prediction prediction;

    @Option(names = "--keep", paramLabel = "N|TIME", converter = OptionValues.Keeping.class,
            description =
                    "Which checkpoints are kept: the newest N, or those of a history as long as TIME, such as 2s "
                    + "(default: 3). With --error-latency: at most N.")
    private Retention keep;

    @Option(names = "--error-latency", paramLabel = "SPEC", converter = OptionValues.Latency.class,
            description =
                    OptionValues.LATENCY_FORMS + " Then few checkpoints are kept, at distances that grow "
                    + "with age, for --coverage; at most --keep, if that is given. See 'backstep retain'.")
    private ErrorLatency errorLatency;

    @Option(names = "--coverage", paramLabel = "P",
            description =
                    "With --error-latency: the probability that a checkpoint from before the fault is kept when an "
                    + "error is noticed (default: 0.99).")
    private Double coverage;

    @Option(names = "--learn",
            description =
                    "With --error-latency: correct it by what is observed: when injected faults are noticed, what "
                    + "detectors know, and from which checkpoints an error came back. The report tells what was learnt.")
    private boolean learn;

    @Option(names = "--memory-budget", paramLabel = "SIZE", converter = OptionValues.Bytes.class,
            description =
                    "The most memory that checkpoints may take, for example 512M; when it is used up the oldest go "
                    + "first (with --error-latency, those that are missed least), then "
                    + "protection stops and the program runs on (default: half of the memory that is free).")
    private Long memoryBudget;

    @Option(names = "--redundancy", paramLabel = "off|parity|mirror", defaultValue = "off",
            converter = OptionValues.Repairing.class,
            description =
                    "What a broken frame of a checkpoint is repaired from: off (nothing, the checkpoints that need it are "
                    + "lost), parity (an eighth of the memory more; one broken frame of each eight) or mirror (twice the "
                    + "memory) (default: ${DEFAULT-VALUE}).")
    private Redundancy redundancy;

    @Option(names = "--scrub", paramLabel = "TIME", defaultValue = "10s", converter = OptionValues.Duration.class,
            description = "Compare all frames with their checksums once in this time (default: ${DEFAULT-VALUE}).")
    private long scrubNs;

    @Option(names = "--catch", paramLabel = "SIGNAL", split = ",",
            description =
                    "Signals that count as errors (default: SEGV,BUS,ILL,FPE,ABRT,SYS, unless the program handles "
                    + "them itself). "
                    + "Those named here count also when it does.")
    private List<String> caught = new ArrayList<>();

    @Option(names = "--inject", paramLabel = "SPEC", converter = OptionValues.Spec.class,
            description =
                    "Inject a fault: register@TIME, register:NAME@TIME, memory@TIME or memory:AREA@TIME (areas of "
                    + "programs: heap, stack, data; of machines: ram, video); TIME may be a range (1s..3s); add ,seed=N, "
                    + ",bits=K (bits inverted) and ,noticed=TIME (a detector speaks that long after it, knowing when it "
                    + "occurred). Machines have more: memory:phys=ADDRESS@TIME (guest-physical), "
                    + "memory:virt=ADDRESS@TIME (by the page tables that a vCPU uses then) and mce@TIME (a machine "
                    + "check that says that memory is lost, if the guest takes any). May be repeated.")
    private List<FaultSpec> faults = new ArrayList<>();

    @Option(names = "--duration", paramLabel = "TIME", converter = OptionValues.Duration.class,
            description = "Let the target go, unharmed, after this time.")
    private Long durationNs;

    @Option(names = "--report", paramLabel = "FILE", description = "Write a JSON report there at the end.")
    private Path report;

    @Option(names = "--histograms", paramLabel = "FILE",
            description = "Write a log of histograms there at the end, for HdrHistogram's tools: pauses and their parts, "
                    + "rollbacks, error latencies, how good the predictor was.")
    private Path histograms;

    @Option(names = "--log", paramLabel = "LEVEL", defaultValue = "info",
            description =
                    "error, warn, info or debug (default: ${DEFAULT-VALUE}). What is told goes to standard error.")
    private LogLevel log;

    private Retention retention;
    private FaultPlaces places = new FaultPlaces(NativeProcess.registerNames(), List.of("heap", "stack", "data"),
            List.of(), false);

    /** How much is told. */
    enum LogLevel { error, warn, info, debug }

    /** Where faults can strike, if not in a process. */
    void faultPlaces(FaultPlaces ofTarget) {
        places = ofTarget;
    }

    LogLevel log() {
        return log;
    }

    Path report() {
        return report;
    }

    Path histograms() {
        return histograms;
    }

    /** Between two captures; if it adapts, at first. */
    boolean catchesSignals() {
        return !caught.isEmpty();
    }

    long intervalNs() {
        return interval.ns();
    }

    boolean isIntervalFixed() {
        return interval.overhead() == 0;
    }

    /**
     * Which checkpoints are kept; always the same object.
     *
     * @throws IllegalArgumentException the options contradict each other
     */
    Retention retention() {
        if (retention == null) {
            retention = newRetention();
        }
        return retention;
    }

    private Retention newRetention() {
        if (errorLatency == null) {
            if (learn) {
                throw new IllegalArgumentException("--learn needs --error-latency, to begin with");
            }
            if (coverage != null) {
                throw new IllegalArgumentException("--coverage " + coverage + " needs --error-latency");
            }
            return keep == null ? new KeepLast(Backstep.Context.KEEP_DEFAULT) : keep;
        }
        double asked = coverage == null ? COVERAGE_DEFAULT : coverage;
        if (keep instanceof KeepSpan) {
            throw new IllegalArgumentException("how long the history must be follows from --error-latency "
                    + errorLatency + ", so --keep can only be a number beside it");
        }
        return keep instanceof KeepLast most
                ? new KeepCoverage(errorLatency, asked, interval.ns(), most.count())
                : KeepCoverage.ofFew(errorLatency, asked, interval.ns());
    }

    /** Sets a context up, but for its target; cross-checks and refuses what cannot work. */
    void apply(Backstep.Context context) {
        OptionValues.requireInterval(interval.ns());
        OptionValues.requireScrub(scrubNs);
        if (report != null) {
            JsonReport.check(report);
        }
        if (histograms != null) {
            HistogramLog.check(histograms);
        }
        context.intervalNs(interval.ns())
                .overhead(interval.overhead())
                .learn(learn)
                .capture(discipline)
                .prediction(prediction)
                .retention(retention())
                .memoryBudgetBytes(memoryBudget == null ? Memory.halfOfFree() : memoryBudget)
                .redundancy(redundancy)
                .scrubNs(scrubNs);
        if (durationNs != null) {
            context.durationNs(durationNs);
        }
        if (!caught.isEmpty()) {
            Set<Integer> numbers = new LinkedHashSet<>();
            caught.forEach(name -> numbers.add(Signals.number(name)));
            context.errorSignals(numbers, true);
        }
        if (!faults.isEmpty()) {
            faults.forEach(places::require);
            context.faults(new InjectionPlan(faults));
        }
    }
}
