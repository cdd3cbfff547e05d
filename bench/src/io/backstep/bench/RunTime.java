// SPDX-License-Identifier: Apache-2.0
package io.backstep.bench;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

import io.backstep.core.Capture;
import io.backstep.core.TargetEvent;
import io.backstep.target.process.ProcessTarget;

/**
 * How much longer does a real program run under protection? Short runs take turns: undisturbed, with a capture every 50 ms, every 10
 * ms. All are started by the same call of this JVM, an undisturbed one is let run to its end without being looked at. The time is
 * that of the program, from its first instruction to its end: the start of a JVM is none of it.
 *
 * <p>Two times are told. The wall's; and the program's own, which other programs on the machine disturb much less: user and system
 * time of the program, and the time that it stood still for captures. For how long it waits for its first instruction is told beside.
 */
final class RunTime implements Question {
    private static final double BOUND = 0.10;
    private static final int PROMISED_MS = 50;
    private static final int[] INTERVALS_MS = {PROMISED_MS, 10};
    private static final int BZIP2_BYTES = 8_000_000;
    private static final int CC1_IDENTIFIERS = 250;
    private static final int WARM_UP = 2;

    /** @param isPromised the bound holds for it */
    private record Program(String name, boolean isPromised, List<String> command) {
    }

    /** All runs of one kind. */
    private static final class Runs {
        private final Sample ownMs = new Sample();
        private final Sample wallMs = new Sample();
        private final Sample processorMs = new Sample();
        private final Sample pausedMs = new Sample();
        private final Sample startMs = new Sample();
        private final Sample pageFaults = new Sample();
        private final Sample captures = new Sample();
        private final Sample dirty = new Sample();

        void add(Window window, LibC.Used used) {
            double processor = (used.processorNs() - window.usedBeforeNs) / 1e6;
            double paused = window.pausedNs / 1e6;
            processorMs.add(processor);
            pausedMs.add(paused);
            ownMs.add(processor + paused);
            wallMs.add((window.endedNs - window.runsSinceNs) / 1e6);
            startMs.add((window.runsSinceNs - window.beganNs) / 1e6);
            pageFaults.add(used.pageFaults());
            captures.add(window.captures);
            dirty.add(window.dirty);
        }
    }

    @Override
    public Table answer(Setting setting) throws IOException, InterruptedException {
        Table table = new Table("run time of real programs (ms)", "program, interval, time", "undisturbed min, q1, p50", "protected",
                "overhead of q1", "95 % interval", "of min", "of p50", "min of halves: undisturbed, protected", "runs", "bound");
        for (Program program : programs(setting)) {
            measure(setting, program, table);
        }
        table.remark("own time: user and system time of the program and the time it stood still for captures; q1: lower quartile");
        return table;
    }

    private static List<Program> programs(Setting setting) throws IOException, InterruptedException {
        Path libraries = Inputs.libraries(setting.work(), BZIP2_BYTES);
        Path source = Inputs.preprocessed(setting.home().resolve("native/test/victims/simd.c"), setting.work());
        Path recogniser = Inputs.recogniser(setting.work(), CC1_IDENTIFIERS);
        return List.of(new Program("bzip2", true, List.of("bzip2", "-c", libraries.toString())),
                new Program("cc1", true, setting.compiler("-O3", "-g", "-fpreprocessed", source.toString())),
                new Program("cc1 on huge functions", false, setting.compiler("-O2", recogniser.toString())));
    }

    private static void measure(Setting setting, Program program, Table table) {
        Runs undisturbed = new Runs();
        Runs[] disturbed = new Runs[INTERVALS_MS.length];
        for (int i = 0; i < disturbed.length; i++) {
            disturbed[i] = new Runs();
        }
        int kinds = 1 + disturbed.length;
        int rounds = setting.times(40, 10);
        for (int i = 0; i < WARM_UP; i++) {
            run(program, 0, new Runs());
            run(program, PROMISED_MS, new Runs());
        }
        for (int i = 0; i < rounds * kinds; i++) {
            int kind = (i + i / kinds) % kinds; // each round begins with another kind
            run(program, kind == 0 ? 0 : INTERVALS_MS[kind - 1], kind == 0 ? undisturbed : disturbed[kind - 1]);
        }
        for (int i = 0; i < disturbed.length; i++) {
            String name = program.name + ", " + INTERVALS_MS[i] + " ms, ";
            boolean promised = program.isPromised && INTERVALS_MS[i] == PROMISED_MS;
            addLine(table, name + "own", undisturbed.ownMs, disturbed[i].ownMs, promised);
            addLine(table, name + "wall", undisturbed.wallMs, disturbed[i].wallMs, promised);
        }
        for (int i = 0; i < disturbed.length; i++) {
            explain(table, program.name + ", " + INTERVALS_MS[i] + " ms", undisturbed, disturbed[i]);
        }
        table.remark("%s: before its first instruction %.1f ms once", program.name, disturbed[0].startMs.median());
    }

    private static void addLine(Table table, String name, Sample undisturbed, Sample disturbed, boolean promised) {
        double overhead = disturbed.lowerQuartile() / undisturbed.lowerQuartile() - 1;
        Sample.Interval interval = Sample.ofRatio(disturbed, undisturbed, Sample::lowerQuartile);
        table.add(promised ? Table.Grade.atMost(overhead, BOUND) : Table.Grade.NONE, name, three(undisturbed), three(disturbed),
                Table.text("%+.1f %%", 100 * overhead),
                Table.text("%+.1f..%+.1f %%", 100 * (interval.low() - 1), 100 * (interval.high() - 1)),
                Table.text("%+.1f %%", 100 * (disturbed.minimum() / undisturbed.minimum() - 1)),
                Table.text("%+.1f %%", 100 * (disturbed.median() / undisturbed.median() - 1)),
                Table.text("%.0f %.0f, %.0f %.0f", undisturbed.half(false).minimum(), undisturbed.half(true).minimum(),
                        disturbed.half(false).minimum(), disturbed.half(true).minimum()),
                Integer.toString(disturbed.size()), promised ? Table.text("%.0f %%", 100 * BOUND) : "");
    }

    private static String three(Sample sample) {
        return Table.text("%.0f %.0f %.0f", sample.minimum(), sample.lowerQuartile(), sample.median());
    }

    private static void explain(Table table, String name, Runs undisturbed, Runs runs) {
        double base = undisturbed.ownMs.lowerQuartile();
        double paused = runs.pausedMs.lowerQuartile();
        double more = runs.processorMs.lowerQuartile() - undisturbed.processorMs.lowerQuartile();
        double faults = runs.pageFaults.median() - undisturbed.pageFaults.median();
        table.remark("%s: %.0f captures a run, %.0f dirty pages each; standing still %+.1f %% (%.2f us a page); more user and system "
                + "time %+.1f %% (%.0f more page faults, %.2f us each)", name, runs.captures.median(),
                runs.dirty.median() / runs.captures.median(), 100 * paused / base, 1e3 * paused / runs.dirty.median(),
                100 * more / base, faults, 1e3 * more / faults);
    }

    /** @param intervalMs 0: undisturbed */
    private static void run(Program program, int intervalMs, Runs into) {
        LibC.Used earlier = LibC.Used.byEndedChildren();
        Window window = new Window(ProtectedRun.start(program.command));
        if (intervalMs == 0) {
            runAlone(window);
        } else {
            try (ProtectedRun run = new ProtectedRun(window.process, intervalMs * 1_000_000L, target -> window)) {
                run.workToEnd();
            }
        }
        into.add(window, LibC.Used.byEndedChildren().since(earlier));
    }

    private static void runAlone(Window window) {
        TargetEvent event = new TargetEvent();
        window.resume();
        while (event.kind() != TargetEvent.Kind.ENDED) {
            window.await(System.nanoTime() + 1_000_000_000L, event);
        }
        window.close();
    }

    private static final class Window extends ObservedTarget {
        private final ProcessTarget process;
        private final long beganNs = System.nanoTime();
        private final long usedBeforeNs;
        private boolean runs;
        private long runsSinceNs;
        private long endedNs;
        private long pausedNs;
        private long captures;
        private long dirty;

        Window(ProcessTarget process) {
            super(process);
            this.process = process;
            usedBeforeNs = new ProcessFiles(process.pid()).processorNs();
        }

        @Override
        public void resume() {
            if (!runs) {
                runs = true;
                runsSinceNs = System.nanoTime();
            }
            super.resume();
        }

        @Override
        public boolean capture(Capture capture) {
            boolean done = super.capture(capture);
            if (done && runs) {
                captures++;
                dirty += capture.pages().size();
                pausedNs += capture.pauseNs();
            }
            return done;
        }

        @Override
        public void await(long deadlineNs, TargetEvent event) {
            super.await(deadlineNs, event);
            if (event.kind() == TargetEvent.Kind.ENDED) {
                endedNs = System.nanoTime();
            }
        }
    }
}
