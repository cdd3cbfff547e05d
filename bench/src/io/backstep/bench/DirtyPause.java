// SPDX-License-Identifier: Apache-2.0
package io.backstep.bench;

import io.backstep.core.Capture;
import io.backstep.core.LongVector;
import io.backstep.sys.NativeProcess;
import io.backstep.target.process.ProcessTarget;

/**
 * How long does a program stand still that writes D pages per interval, against just copying those pages? Captures are of two kinds
 * by turns: one is measured; at the other, before the capture begins, the pages that it is about to copy are copied by themselves,
 * with one thread, from the same process into the very frames that the capture is about to use. So both find equally cold pages and
 * frames. A pause and the copy beside it make a pair.
 */
final class DirtyPause implements Question {
    private static final int MIB = 100;
    private static final int[] PAGES = {100, 300, 1000, 3000, 10000};
    private static final String[] PATTERNS = {"random", "sequential"};
    private static final int ROUNDS_PER_INTERVAL = 10;
    private static final int ROUND_MS = 50 / ROUNDS_PER_INTERVAL;
    private static final double BOUND = 1.5;
    private static final int WARM_UP = 12;

    @Override
    public Table answer(Setting setting) {
        PauseSamples idle = new PauseSamples();
        IdlePause.measure(setting, MIB, setting.times(60, 30), idle);
        Pairs[][] found = new Pairs[PATTERNS.length][PAGES.length];
        for (int turn = 0; turn < setting.times(3, 1); turn++) {
            for (int pattern = 0; pattern < PATTERNS.length; pattern++) {
                for (int i = 0; i < PAGES.length; i++) {
                    found[pattern][i] = turn == 0 ? new Pairs() : found[pattern][i];
                    measure(setting, PATTERNS[pattern], PAGES[i], setting.times(25, 15), found[pattern][i]);
                }
            }
            IdlePause.measure(setting, MIB, setting.times(40, 30), idle);
        }
        double fixedUs = idle.us().median();
        Table table = new Table("pause with D dirty pages of " + MIB + " MiB per interval of 50 ms, against copying them (us)",
                "pattern and D", "dirty", "pause p50", "quartiles", "copy beside it p50", "quartiles", "us per page: pause, copy",
                "freeze scan copy state thaw (p50)", "pause / (copy + fixed)", "95 % interval", "pairs", "bound");
        for (int pattern = 0; pattern < PATTERNS.length; pattern++) {
            for (int i = 0; i < PAGES.length; i++) {
                addLine(table, PATTERNS[pattern] + " " + PAGES[i], found[pattern][i], fixedUs);
            }
        }
        table.remark("fixed: the p50 of an idle program of %d MiB, %.0f us (quartiles %.0f..%.0f, %d captures before, between and "
                + "after)", MIB, fixedUs, idle.us().lowerQuartile(), idle.us().upperQuartile(), idle.us().size());
        return table;
    }

    private static void addLine(Table table, String name, Pairs found, double fixedUs) {
        Sample ratio = found.ratios(fixedUs);
        Sample.Interval interval = ratio.interval(Sample::median);
        Sample pause = found.pauses.us();
        double pages = found.dirty.median();
        table.add(Table.Grade.atMost(ratio.median(), BOUND), name, Table.text("%.0f", pages),
                Table.text("%.0f", pause.median()), Table.text("%.0f..%.0f", pause.lowerQuartile(), pause.upperQuartile()),
                Table.text("%.0f", found.copies.median()),
                Table.text("%.0f..%.0f", found.copies.lowerQuartile(), found.copies.upperQuartile()),
                Table.text("%.2f %.2f", pause.median() / pages, found.copies.median() / pages), found.pauses.phaseMedians(),
                Table.text("%.2f", ratio.median()), Table.text("%.2f..%.2f", interval.low(), interval.high()),
                Integer.toString(ratio.size()), Table.text("%.1f", BOUND));
    }

    private static void measure(Setting setting, String pattern, int pages, int pairs, Pairs into) {
        try (ProtectedRun run = new ProtectedRun(
                setting.victim("dirty", MIB, pages / ROUNDS_PER_INTERVAL, ROUND_MS, 1_000_000, pattern), Setting.INTERVAL_NS,
                target -> new Window(target, pages, into))) {
            int wanted = into.copies.size() + pairs;
            run.workUntil(() -> into.copies.size() >= wanted);
        }
    }

    /** Pauses and copies, the i-th of each beside each other. */
    private static final class Pairs {
        private final PauseSamples pauses = new PauseSamples();
        private final Sample copies = new Sample();
        private final Sample dirty = new Sample();

        void add(Capture capture) {
            pauses.add(capture);
            dirty.add(capture.pages().size());
        }

        /** A copy of nearly the same number of pages, made good for the difference. */
        void addCopy(long ns, long pages, long pagesOfPause) {
            copies.add(ns / 1e3 / pages * pagesOfPause);
        }

        Sample ratios(double fixedUs) {
            Sample ratios = new Sample();
            for (int i = 0; i < copies.size(); i++) {
                ratios.add(pauses.us().value(i) / (copies.value(i) + fixedUs));
            }
            return ratios;
        }
    }

    private static final class Window extends ObservedTarget {
        private final ProcessFiles files;
        private final long expected;
        private final Pairs into;
        private final LongVector written = new LongVector();
        private int captures;
        private long pagesOfPause;
        private boolean isBeside;
        private boolean isContinued; // after too few frames: neither pause nor copy is like the others

        Window(ProcessTarget target, long expected, Pairs into) {
            super(target);
            files = new ProcessFiles(target.pid());
            this.expected = expected;
            this.into = into;
        }

        @Override
        public boolean capture(Capture capture) {
            if (!isBeside && !isContinued && captures > WARM_UP && pagesOfPause > 0) {
                isBeside = true;
                halt();
                copyBeside(capture);
            }
            if (!super.capture(capture)) {
                isContinued = true;
                return false;
            }
            long pages = capture.pages().size();
            // The program is at its work, not still filling its memory, when it writes about what it was asked to.
            captures = pages > expected / 2 && pages < 2 * expected + 16 ? captures + 1 : 0;
            if (isBeside) {
                resume();
            } else if (captures > WARM_UP && !isContinued) {
                into.add(capture);
                pagesOfPause = pages;
            }
            isBeside = isContinued = false;
            return true;
        }

        private void copyBeside(Capture capture) {
            files.writtenPages(written);
            long count = Math.min(written.size(), capture.frames().size());
            long ns = NativeProcess.measureCopy((int) pid(), written.address(), capture.frames().address(), count, false);
            into.addCopy(ns, count, pagesOfPause);
            pagesOfPause = 0;
        }

        @Override
        public void close() {
            super.close();
            written.close();
        }
    }
}
