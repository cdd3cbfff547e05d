// SPDX-License-Identifier: Apache-2.0
package io.backstep.bench.regions;

import java.io.FileOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.LocalDate;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

import io.backstep.bench.Table;
import io.backstep.bench.Table.Grade;
import org.openjdk.jmh.runner.Runner;
import org.openjdk.jmh.runner.RunnerException;
import org.openjdk.jmh.runner.format.OutputFormat;
import org.openjdk.jmh.runner.format.OutputFormatFactory;
import org.openjdk.jmh.runner.options.VerboseMode;

/**
 * Asks the questions that are named, or all. The runs are made in rounds, each run once in a round, so that what is compared
 * was measured within minutes; a figure is the median over the rounds, with the least and the most. The exit status tells
 * whether all was measured, not whether all was met.
 */
public final class RegionBench {
    private static final String LOG = "target/bench/regions.log";
    private static final int ROUNDS = 5;
    private static final int ROUNDS_QUICK = 2;
    private static final String BIGGEST = "mib=4096";
    private static final long BIGGEST_NEEDS_KIB = 11L << 20;

    private RegionBench() {
    }

    public static void main(String[] names) throws Exception {
        boolean quick = "1".equals(System.getenv("QUICK"));
        Map<String, Question> questions = Questions.all();
        List<String> asked = names.length == 0 ? List.copyOf(questions.keySet()) : List.of(names);
        for (String name : asked) {
            if (!questions.containsKey(name)) {
                System.err.println("bench: no question '" + name + "'; there are " + String.join(", ", questions.keySet()));
                System.exit(2);
            }
        }
        Set<Run> runs = new LinkedHashSet<>();
        asked.forEach(name -> runs.addAll(questions.get(name).runs(quick)));
        if (availableKib() < BIGGEST_NEEDS_KIB && runs.removeIf(run -> run.parameters().contains(BIGGEST))) {
            System.err.println("bench: less than " + (BIGGEST_NEEDS_KIB >> 20) + " GiB of memory: no region of 4 GiB");
        }
        System.out.print(host(quick));
        Figures figures = new Figures();
        measure(runs, quick, figures);
        List<Table> answers = new ArrayList<>();
        for (String name : asked) {
            answers.add(questions.get(name).answer(figures, quick));
        }
        answers.forEach(System.out::print);
        System.out.println("\n== summary");
        for (Grade grade : List.of(Grade.NOT_MET, Grade.MET)) {
            for (Table answer : answers) {
                answer.named(grade).forEach(line -> System.out.println("  " + (grade == Grade.MET ? "met" : "NOT met") + "  " + line));
            }
        }
    }

    private static void measure(Set<Run> runs, boolean quick, Figures figures) throws IOException, RunnerException {
        int rounds = quick ? ROUNDS_QUICK : ROUNDS;
        try (PrintStream log = new PrintStream(new FileOutputStream(LOG), true)) {
            OutputFormat format = OutputFormatFactory.createFormatInstance(log, VerboseMode.NORMAL);
            for (int round = 1; round <= rounds; round++) {
                int done = 0;
                for (Run run : runs) {
                    System.err.printf("\r\033[Kround %d of %d, %d of %d: %s", round, rounds, ++done, runs.size(), run);
                    figures.add(run, new Runner(run.options(quick), format).runSingle());
                }
            }
        }
        System.err.print("\r\033[K");
    }

    private static long availableKib() throws IOException {
        for (String line : Files.readAllLines(Path.of("/proc/meminfo"))) {
            if (line.startsWith("MemAvailable:")) {
                return Long.parseLong(line.replaceAll("\\D", ""));
            }
        }
        return 0;
    }

    private static String host(boolean quick) throws IOException {
        return Table.text("backstep %s, %s, %s %s, %d processors, JDK %s, load %s, %s form, %d rounds: median (least..most)%n",
                System.getProperty("bench.commit", "?"), LocalDate.now(), System.getProperty("os.name"),
                System.getProperty("os.version"), Runtime.getRuntime().availableProcessors(),
                System.getProperty("java.runtime.version"), Files.readString(Path.of("/proc/loadavg")).split(" ")[0],
                quick ? "quick" : "full", quick ? ROUNDS_QUICK : ROUNDS);
    }
}
