// SPDX-License-Identifier: Apache-2.0
package io.backstep.bench;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import java.util.function.Function;

import io.backstep.core.Capture;
import io.backstep.core.Phase;
import io.backstep.core.TargetEvent;
import io.backstep.target.process.ProcessTarget;

/**
 * How does what protection costs grow: with resident memory, with the pages written in an interval, with mappings and with threads?
 * One of the four grows, the others stay. Beside the pause stands what it does to a program that would be busy all the time: how much
 * more user and system time it uses, and for how long it stands still. Both are measured on one process, first under protection, then
 * let go of; it does the same work by the clock.
 */
final class Growth implements Question {
    private static final int MIB = 256;
    private static final int PAGES = 500;
    /** Where pages are written: the same place, however much memory there is. */
    private static final int WINDOW_MIB = 64;
    private static final int ROUNDS_PER_INTERVAL = 10;
    private static final int ROUND_MS = 50 / ROUNDS_PER_INTERVAL;
    private static final int WARM_UP = 12;
    private static final long STEADY_LIMIT_NS = TimeUnit.MINUTES.toNanos(1);
    private static final int GIB = 1024;
    /** Of the program and of its copy, and what is laid ready beside them. */
    private static final double TIMES_RESIDENT = 2.3;
    private static final int BESIDE_MIB = 1024;

    /** @param amount of what grows, in units for which the growth is told */
    private record Load(String name, double amount, int mib, int windowMib, int pages, int mappings, int threads) {
    }

    /** @param per what the growth is told for */
    private record Series(String what, String per, List<Load> loads, boolean isByCopied) {
        /** Which pages are copied is up to the predictor, too. */
        double amount(Load load, Found found) {
            return isByCopied ? found.copied.median() / 1000 : load.amount;
        }
    }

    private static final class Found {
        private final PauseSamples pauses = new PauseSamples();
        private final Sample copied = new Sample();
        private final Sample stoodShare = new Sample();
        private final Sample moreShare = new Sample();

        void add(Capture capture) {
            pauses.add(capture);
            copied.add(capture.pages().size());
        }
    }

    private final Series series;

    private Growth(Series series) {
        this.series = series;
    }

    static Growth withMemory() {
        List<Load> loads = new ArrayList<>();
        for (int mib : new int[] {256, GIB, 4 * GIB, 8 * GIB}) {
            String name = mib < GIB ? mib + " MiB" : mib / GIB + " GiB";
            loads.add(new Load(name, (double) mib / GIB, mib, WINDOW_MIB, PAGES, 0, 1));
        }
        return new Growth(new Series("resident memory", "GiB", loads, false));
    }

    static Growth withPages() {
        List<Load> loads = new ArrayList<>();
        for (int pages : new int[] {100, 300, 1000, 3000, 10000, 30000}) {
            loads.add(new Load(Integer.toString(pages), pages / 1000.0, MIB, MIB, pages, 0, 1));
        }
        return new Growth(new Series("pages written per interval", "1000 pages copied", loads, true));
    }

    static Growth withMappings() {
        List<Load> loads = new ArrayList<>();
        for (int count : new int[] {10, 100, 300, 1000, 2000}) {
            loads.add(new Load(Integer.toString(count), count / 1000.0, MIB, WINDOW_MIB, PAGES, count, 1));
        }
        return new Growth(new Series("mappings of a page each", "1000 mappings", loads, false));
    }

    static Growth withThreads() {
        List<Load> loads = new ArrayList<>();
        for (int count : new int[] {1, 2, 4, 8, 16, 32}) {
            loads.add(new Load(Integer.toString(count), count, MIB, WINDOW_MIB, PAGES, 0, count));
        }
        return new Growth(new Series("threads, all but one asleep", "thread", loads, false));
    }

    @Override
    public Table answer(Setting setting) throws IOException {
        Table table = new Table("growth of what protection costs with " + series.what + "; otherwise " + MIB + " MiB, " + PAGES
                + " pages at random, few mappings, 1 thread; every 50 ms", series.what, "copied p50", "pause p50 (us)", "quartiles",
                "p99", "freeze scan copy state thaw (p50)", "stands still", "more user and system time", "captures");
        Map<Load, Found> found = new LinkedHashMap<>();
        for (int turn = 0; turn < setting.times(3, 1); turn++) {
            for (Load load : series.loads) {
                if (fits(load, turn, table)) {
                    measure(setting, load, setting.times(40, 30), found.computeIfAbsent(load, key -> new Found()));
                }
            }
        }
        found.values().removeIf(samples -> samples.copied.size() == 0);
        found.forEach((load, samples) -> addLine(table, load, samples));
        StringBuilder phases = new StringBuilder();
        for (Phase phase : Phase.values()) {
            phases.append(Table.text(" %s %.1f", phase.key(), slope(found, pauses -> pauses.us(phase))));
        }
        table.remark("per %s: %.1f us of pause (%s)", series.per, slope(found, PauseSamples::us), phases.toString().strip());
        table.remark("stands still, more time: of the interval; what a program that is always busy would lose");
        return table;
    }

    private static boolean fits(Load load, int turn, Table table) throws IOException {
        long needed = (long) (TIMES_RESIDENT * load.mib) + BESIDE_MIB;
        long available = availableMib();
        if (needed > available && turn == 0) {
            table.remark("%s: left out, it needs some %d MiB and %d MiB are available", load.name, needed, available);
        }
        return needed <= available;
    }

    private static long availableMib() throws IOException {
        try (var lines = Files.lines(Path.of("/proc/meminfo"))) {
            return lines.filter(line -> line.startsWith("MemAvailable:")).findFirst()
                    .map(line -> Long.parseLong(line.replaceAll("\\D", "")) / 1024).orElse(0L);
        }
    }

    private static void addLine(Table table, Load load, Found found) {
        Sample us = found.pauses.us();
        table.add(Table.Grade.NONE, load.name, Table.text("%.0f", found.copied.median()), Table.text("%.0f", us.median()),
                Table.text("%.0f..%.0f", us.lowerQuartile(), us.upperQuartile()), Table.text("%.0f", us.quantile(0.99)),
                found.pauses.phaseMedians(), Table.text("%.1f %%", 100 * found.stoodShare.median()),
                Table.text("%+.1f %%", 100 * found.moreShare.median()), Integer.toString(us.size()));
    }

    /** The slope of the line that comes closest to the medians. */
    private double slope(Map<Load, Found> found, Function<PauseSamples, Sample> what) {
        double x = found.entrySet().stream().mapToDouble(point -> series.amount(point.getKey(), point.getValue())).average().orElse(0);
        double y = found.values().stream().mapToDouble(samples -> what.apply(samples.pauses).median()).average().orElse(0);
        double above = 0;
        double below = 0;
        for (Map.Entry<Load, Found> point : found.entrySet()) {
            double along = series.amount(point.getKey(), point.getValue()) - x;
            above += along * (what.apply(point.getValue().pauses).median() - y);
            below += along * along;
        }
        return above / below;
    }

    private static void measure(Setting setting, Load load, int captures, Found into) {
        Window[] window = new Window[1];
        try (ProtectedRun run = new ProtectedRun(
                setting.victim("dirty", load.mib, load.pages / ROUNDS_PER_INTERVAL, ROUND_MS, 1_000_000, "random", 1, load.windowMib,
                        load.mappings, load.threads),
                Setting.INTERVAL_NS, target -> window[0] = new Window(target, load.mib * 256L, into))) {
            ProcessFiles files = new ProcessFiles(window[0].pid());
            long deadline = System.nanoTime() + STEADY_LIMIT_NS;
            run.workUntil(() -> window[0].isSteady() || System.nanoTime() > deadline);
            if (!window[0].isSteady()) {
                System.err.println("  (" + load.name + ": not measured, it was not at its work after a minute)");
                return;
            }
            long began = System.nanoTime();
            long used = files.processorNs();
            int wanted = into.copied.size() + captures;
            run.workUntil(() -> into.copied.size() >= wanted);
            double elapsed = System.nanoTime() - began;
            double shareProtected = (files.processorNs() - used) / elapsed;
            into.stoodShare.add(window[0].pausedNs / elapsed);
            run.engine().requestDetach();
            run.engine().doWork();
            into.moreShare.add(shareProtected - shareAlone(files, captures));
            end((int) window[0].pid());
        }
    }

    private static double shareAlone(ProcessFiles files, int intervals) {
        pass(WARM_UP * Setting.INTERVAL_NS);
        long began = System.nanoTime();
        long used = files.processorNs();
        pass(intervals * Setting.INTERVAL_NS / 2);
        return (double) (files.processorNs() - used) / (System.nanoTime() - began);
    }

    private static void pass(long ns) {
        for (long end = System.nanoTime() + ns, left = ns; left > 0; left = end - System.nanoTime()) {
            LockSupport.parkNanos(Math.min(left, TimeUnit.SECONDS.toNanos(1)));
        }
    }

    private static void end(int pid) {
        try (ProcessTarget target = ProcessTarget.attach(pid)) {
            target.kill();
            target.await(System.nanoTime(), new TargetEvent());
        }
    }

    private static final class Window extends ObservedTarget {
        private final long residentPages;
        private final Found into;
        private int captures;
        private long pausedNs;

        Window(ProcessTarget target, long residentPages, Found into) {
            super(target);
            this.residentPages = residentPages;
            this.into = into;
        }

        boolean isSteady() {
            return captures >= WARM_UP;
        }

        @Override
        public boolean capture(Capture capture) {
            if (!super.capture(capture)) {
                return false;
            }
            if (isSteady()) {
                into.add(capture);
                pausedNs += capture.pauseNs();
            } else if (capture.trackedPages() >= residentPages) { // it has filled its memory
                captures++;
            }
            return true;
        }
    }
}
