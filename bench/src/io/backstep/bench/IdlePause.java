// SPDX-License-Identifier: Apache-2.0
package io.backstep.bench;

import io.backstep.core.Capture;
import io.backstep.target.process.ProcessTarget;

/**
 * How long does a program stand still that writes next to nothing? The sizes take turns, so that a noisy moment meets all of
 * them. Captures count from when the program has filled its memory.
 */
final class IdlePause implements Question {
    private static final int[] MIB = {1, 100, 512};
    private static final int PROMISED_MIB = 100;
    private static final double BOUND_US = 250;
    private static final long QUIET_PAGES = 64;
    private static final int WARM_UP = 10;

    @Override
    public Table answer(Setting setting) {
        PauseSamples[] found = new PauseSamples[MIB.length];
        for (int turn = 0; turn < setting.times(4, 1); turn++) {
            for (int i = 0; i < MIB.length; i++) {
                found[i] = turn == 0 ? new PauseSamples() : found[i];
                measure(setting, MIB[i], setting.times(60, 50), found[i]);
            }
        }
        Table table = new Table("pause of an idle single-threaded program, a capture every 50 ms (us)", "resident", "p50",
                "95 % interval", "quartiles", "p90", "p99", "max", "captures", "freeze scan copy state thaw (p50)", "bound p50", "ratio");
        for (int i = 0; i < MIB.length; i++) {
            Sample us = found[i].us();
            Sample.Interval interval = us.interval(Sample::median);
            boolean promised = MIB[i] == PROMISED_MIB;
            table.add(promised ? Table.Grade.atMost(us.median(), BOUND_US) : Table.Grade.NONE, MIB[i] + " MiB",
                    Table.text("%.0f", us.median()), Table.text("%.0f..%.0f", interval.low(), interval.high()),
                    Table.text("%.0f..%.0f", us.lowerQuartile(), us.upperQuartile()), Table.text("%.0f", us.quantile(0.9)),
                    Table.text("%.0f", us.quantile(0.99)), Table.text("%.0f", us.maximum()), Integer.toString(us.size()),
                    found[i].phaseMedians(), promised ? Table.text("%.0f", BOUND_US) : "",
                    promised ? Table.text("%.2f", us.median() / BOUND_US) : "");
        }
        int last = MIB.length - 1;
        table.remark("the p50 grows by %.0f us per GiB of resident memory (%d to %d MiB; lower quartile: %.0f us)",
                perGib(found[last].us().median() - found[0].us().median()), MIB[0], MIB[last],
                perGib(found[last].us().lowerQuartile() - found[0].us().lowerQuartile()));
        return table;
    }

    private static double perGib(double difference) {
        return difference * 1024 / (MIB[MIB.length - 1] - MIB[0]);
    }

    /** Adds the pauses of so many captures of an idle program of a size. */
    static void measure(Setting setting, int mib, int captures, PauseSamples into) {
        Window[] window = new Window[1];
        try (ProtectedRun run = new ProtectedRun(setting.victim("idle", mib, 100_000), Setting.INTERVAL_NS,
                target -> window[0] = new Window(target, into))) {
            int wanted = into.us().size() + captures;
            run.workUntil(() -> into.us().size() >= wanted);
        }
    }

    private static final class Window extends ObservedTarget {
        private final PauseSamples into;
        private int quiet;

        Window(ProcessTarget target, PauseSamples into) {
            super(target);
            this.into = into;
        }

        @Override
        public boolean capture(Capture capture) {
            if (!super.capture(capture)) {
                return false;
            }
            quiet = capture.pages().size() < QUIET_PAGES && capture.trackedPages() > QUIET_PAGES ? quiet + 1 : 0;
            if (quiet > WARM_UP) {
                into.add(capture);
            }
            return true;
        }
    }
}
