// SPDX-License-Identifier: Apache-2.0
package io.backstep.bench;

import java.util.OptionalLong;
import java.util.concurrent.CompletableFuture;

import io.backstep.core.Capture;
import io.backstep.core.PageWrites;
import io.backstep.core.ExecutionState;
import io.backstep.core.TargetEvent;
import io.backstep.engine.RollbackRecord;
import io.backstep.sys.NativeProcess;
import io.backstep.target.process.ProcessTarget;

/**
 * How long does a rollback take, from the order to the moment when the program could run on, against just copying its pages out?
 * Each is to the newest checkpoint, shortly before the next would be taken. Rollbacks are of two kinds by turns: one is measured; in
 * the other the pages are, before anything else is written, copied from the same frames to the same places with one thread. The
 * two make a pair.
 */
final class RollbackTime implements Question {
    private static final int MIB = 100;
    private static final int[] PAGES = {100, 300, 1000, 3000, 10000};
    private static final String[] PATTERNS = {"random", "sequential"};
    private static final int ROUNDS_PER_INTERVAL = 10;
    private static final int ROUND_MS = 50 / ROUNDS_PER_INTERVAL;
    private static final long AGE_NS = 45_000_000;
    private static final double COPIES = 2;
    private static final double FIXED_US = 1000;
    private static final int WARM_UP = 4;

    @Override
    public Table answer(Setting setting) {
        Table table = new Table("rollback of D dirty pages of " + MIB + " MiB, against copying them out twice and 1 ms (us)",
                "pattern and D", "written", "rollback p50", "quartiles", "max", "copy out beside it p50", "quartiles",
                "rollback / (2 copies + 1 ms)", "95 % interval", "pairs", "bound");
        for (String pattern : PATTERNS) {
            for (int pages : PAGES) {
                Pairs found = new Pairs();
                measure(setting, pattern, pages, setting.times(20, 6), found);
                addLine(table, pattern + " " + pages, found);
            }
        }
        return table;
    }

    private static void addLine(Table table, String name, Pairs found) {
        Sample ratio = new Sample();
        for (int i = 0; i < found.copies.size(); i++) {
            ratio.add(found.rollbacks.value(i) / (COPIES * found.copies.value(i) + FIXED_US));
        }
        Sample.Interval interval = ratio.interval(Sample::median);
        Sample us = found.rollbacks;
        table.add(Table.Grade.atMost(ratio.median(), 1), name, Table.text("%.0f", found.written.median()),
                Table.text("%.0f", us.median()), Table.text("%.0f..%.0f", us.lowerQuartile(), us.upperQuartile()),
                Table.text("%.0f", us.maximum()), Table.text("%.0f", found.copies.median()),
                Table.text("%.0f..%.0f", found.copies.lowerQuartile(), found.copies.upperQuartile()),
                Table.text("%.2f", ratio.median()), Table.text("%.2f..%.2f", interval.low(), interval.high()),
                Integer.toString(ratio.size()), "1");
    }

    private static void measure(Setting setting, String pattern, int pages, int pairs, Pairs into) {
        Window[] window = new Window[1];
        try (ProtectedRun run = new ProtectedRun(
                setting.victim("dirty", MIB, pages / ROUNDS_PER_INTERVAL, ROUND_MS, 1_000_000, pattern), Setting.INTERVAL_NS,
                target -> window[0] = new Window(target, pages, into))) {
            while (into.copies.size() < pairs) {
                run.workUntil(() -> window[0].isRollbackDue(System.nanoTime()));
                boolean isBeside = into.rollbacks.size() > into.copies.size();
                window[0].copyAtNextRollback = isBeside;
                CompletableFuture<RollbackRecord> asked = run.engine().requestRollback(OptionalLong.empty());
                run.workUntil(asked::isDone);
                if (!isBeside) {
                    into.rollbacks.add(asked.join().durationUs());
                    into.written.add(asked.join().pagesWritten());
                }
            }
        }
    }

    /** Rollbacks and copies, the i-th of each beside each other. */
    private static final class Pairs {
        private final Sample rollbacks = new Sample();
        private final Sample copies = new Sample();
        private final Sample written = new Sample();
    }

    private static final class Window extends ObservedTarget {
        private final long expected;
        private final Pairs into;
        private int captures;
        private long capturedNs;
        private boolean isFresh; // captured, and not rolled back since
        private boolean copyAtNextRollback;

        Window(ProcessTarget target, long expected, Pairs into) {
            super(target);
            this.expected = expected;
            this.into = into;
        }

        boolean isRollbackDue(long nowNs) {
            return isFresh && captures > WARM_UP && nowNs - capturedNs >= AGE_NS;
        }

        @Override
        public void await(long deadlineNs, TargetEvent event) {
            long due = capturedNs + AGE_NS;
            super.await(isFresh && captures > WARM_UP ? Math.min(deadlineNs, due) : deadlineNs, event);
        }

        @Override
        public boolean capture(Capture capture) {
            if (!super.capture(capture)) {
                return false;
            }
            long pages = capture.pages().size();
            // After a rollback the first capture comes late and has more: it need not be like the others.
            captures = captures > WARM_UP || (pages > expected / 2 && pages < 2 * expected + 16) ? captures + 1 : 0;
            capturedNs = capture.atNs();
            isFresh = true;
            return true;
        }

        @Override
        public void finishRollback(ExecutionState state, PageWrites writes) {
            isFresh = false;
            if (copyAtNextRollback) {
                copyAtNextRollback = false;
                long count = writes.pages().size();
                long ns = NativeProcess.measureCopy((int) pid(), writes.pages().address(), writes.frames().address(), count, true);
                into.copies.add(ns / 1e3 / count * into.written.value(into.written.size() - 1));
            }
            super.finishRollback(state, writes);
        }
    }
}
