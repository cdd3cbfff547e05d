// SPDX-License-Identifier: Apache-2.0
package io.backstep.cli;

import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.function.Consumer;

import io.backstep.Backstep;
import io.backstep.core.BackstepException;
import io.backstep.core.Units;
import io.backstep.engine.RunRecord;
import io.backstep.report.Figures;
import io.backstep.report.HistogramLog;
import io.backstep.report.JsonReport;
import io.backstep.retain.KeepCoverage;
import io.backstep.retain.Outlook;
import io.backstep.sys.Host;
import io.backstep.sys.ServiceManager;
import io.backstep.sys.Signals;
import org.HdrHistogram.Histogram;

/** Runs one protection from launch to report, with its console and its control socket. */
final class Protection {
    /** How the target came to be: it decides what signals to us mean and whose exit status is given. */
    enum Origin {
        STARTED(ExitStatus.CANNOT_START, SignalPolicy.PASS_ON),
        FOUND(ExitStatus.CANNOT_ATTACH, SignalPolicy.DETACH);

        private final int unfitStatus;
        private final SignalPolicy signals;

        Origin(int unfitStatus, SignalPolicy signals) {
            this.unfitStatus = unfitStatus;
            this.signals = signals;
        }
    }

    private final ProtectionOptions options;
    private final Origin origin;
    private final Console console;
    private String delay;

    Protection(ProtectionOptions options, Origin origin) {
        this.options = options;
        this.origin = origin;
        console = new Console(options.log());
    }

    /** Once protected, tells somebody who looks at the output as it comes. */
    void holdsOutput() {
        delay = "output comes " + Units.formatDuration(options.retention().longestNs(options.intervalNs())) + " late, and "
                + (options.isIntervalFixed() ? "" : "later or sooner as the interval adapts, and ")
                + "later after a rollback (as far back as checkpoints are kept; --output pass switches that off)";
    }

    /** Once protected, tells somebody who waits for a machine's answers. */
    void holdsNetwork() {
        long keptNs = options.retention().longestNs(options.intervalNs());
        delay = "what the guest sends to a network comes " + Units.formatDuration(keptNs) + " to "
                + Units.formatDuration(2 * keptNs + options.intervalNs())
                + " late (as far back as checkpoints are kept; --network pass switches that off)";
    }

    private void tellDelay() {
        if (delay != null) {
            console.info(delay);
        }
    }

    private void tellCoverage() {
        if (options.retention() instanceof KeepCoverage keep) {
            Outlook outlook = Outlook.of(keep, keep.latency(), options.intervalNs());
            console.info(String.format(Locale.ROOT, "%.2f%% of the errors are covered by %d checkpoints, "
                    + "up to %s back; each loses %s of work", 100 * outlook.coverage(), outlook.mostKept(),
                    Figures.millis(outlook.longestNs() / 1e6), Figures.millis(outlook.lostNs() / 1e6))
                    + (options.isIntervalFixed() ? "" : " (at an interval of "
                            + Units.formatDuration(options.intervalNs()) + ", with which it begins)"));
        }
    }

    /**
     * Protects until the end.
     *
     * @return the exit status: that of a program that we started, else 0, or one of backstep's own
     */
    int run(Backstep.Context context) {
        options.apply(context);
        tellCoverage();
        context.listener(console);
        RunRecord run;
        List<Histogram> histograms;
        BackstepException broken;
        SignalReception signals = new SignalReception(origin.signals);
        try (Signals.Receiving receiving = signals.begin();
                Backstep backstep = Backstep.launch(context);
                SignalReception acting = signals.actOn(backstep);
                Control control = Control.open(backstep, console)) {
            tellServiceManager();
            tellDelay();
            while (!backstep.engine().isDone()) {
                backstep.engine().doWork();
                console.tick(backstep.engine(), System.nanoTime());
            }
            run = backstep.engine().record(Main.Version.text());
            histograms = options.histograms() == null ? List.of() : backstep.engine().histograms();
            broken = backstep.engine().broken();
        } catch (BackstepException e) {
            return couldNotProtect(e);
        }
        return conclude(run, histograms, broken);
    }

    /** Protection does not depend on it. */
    private void tellServiceManager() {
        try {
            ServiceManager.ready();
        } catch (BackstepException e) {
            console.warning(e.getMessage());
        }
    }

    /** When the host lacks something, that is the better message. */
    private int couldNotProtect(BackstepException e) {
        if (!Host.current().canProtect()) {
            console.error(Host.current().verdict());
            return ExitStatus.HOST_UNFIT;
        }
        console.error(e.getMessage());
        return e.reason() == BackstepException.Reason.UNFIT ? origin.unfitStatus : ExitStatus.FAILED;
    }

    private int conclude(RunRecord run, List<Histogram> histograms, BackstepException broken) {
        console.summary(run);
        leave(options.report(), file -> JsonReport.write(run, file));
        leave(options.histograms(), file -> HistogramLog.write(histograms, run.elapsedMs(), file));
        if (broken != null) {
            console.error(broken.getMessage());
            return ExitStatus.BROKEN;
        }
        return origin == Origin.STARTED ? statusOf(run.exit()) : 0;
    }

    private void leave(Path file, Consumer<Path> content) {
        if (file == null) {
            return;
        }
        try {
            content.accept(file);
        } catch (BackstepException e) {
            console.error(e.getMessage());
        }
    }

    /** As shells have it: the code, or 128 and the signal's number. */
    private static int statusOf(RunRecord.Exit exit) {
        if (exit.code() != null) {
            return exit.code();
        }
        return exit.signal() == null ? 0 : Signals.exitStatus(exit.signal());
    }
}
