// SPDX-License-Identifier: Apache-2.0
package io.backstep.bench.jmh;

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
import java.util.function.Predicate;

import io.backstep.bench.Table;
import io.backstep.bench.Table.Grade;
import org.openjdk.jmh.runner.Runner;
import org.openjdk.jmh.runner.RunnerException;
import org.openjdk.jmh.runner.format.OutputFormat;
import org.openjdk.jmh.runner.format.OutputFormatFactory;
import org.openjdk.jmh.runner.options.VerboseMode;

/**
 * Asks questions. The runs are made in rounds, each run once in a round, so that what is compared was measured within minutes; a
 * figure is the median over the rounds, with the least and the most. The exit status tells whether all was measured, not whether all
 * was met.
 */
public final class Rounds {
    private static final int ROUNDS = 5;
    private static final int ROUNDS_QUICK = 2;

    private final Map<String, Question> questions;
    private final String log;
    private final boolean quick = "1".equals(System.getenv("QUICK"));

    /** @param log the file that JMH's own output goes to */
    public Rounds(Map<String, Question> questions, String log) {
        this.questions = questions;
        this.log = log;
    }

    /** Asks the questions that are named, or all, and prints the answers. */
    public void ask(String[] names, Predicate<Run> possible) throws IOException, RunnerException {
        List<String> asked = names.length == 0 ? List.copyOf(questions.keySet()) : List.of(names);
        for (String name : asked) {
            if (!questions.containsKey(name)) {
                System.err.println("bench: no question '" + name + "'; there are " + String.join(", ", questions.keySet()));
                System.exit(2);
            }
        }
        Set<Run> runs = new LinkedHashSet<>();
        asked.forEach(name -> runs.addAll(questions.get(name).runs(quick)));
        runs.removeIf(possible.negate());
        System.out.print(host());
        Figures figures = measure(runs);
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

    private Figures measure(Set<Run> runs) throws IOException, RunnerException {
        Figures figures = new Figures();
        try (PrintStream out = new PrintStream(new FileOutputStream(log), true)) {
            OutputFormat format = OutputFormatFactory.createFormatInstance(out, VerboseMode.NORMAL);
            for (int round = 1; round <= rounds(); round++) {
                int done = 0;
                for (Run run : runs) {
                    System.err.printf("\r\033[Kround %d of %d, %d of %d: %s", round, rounds(), ++done, runs.size(), run);
                    figures.add(run, new Runner(run.options(quick), format).runSingle());
                }
            }
        }
        System.err.print("\r\033[K");
        return figures;
    }

    private int rounds() {
        return quick ? ROUNDS_QUICK : ROUNDS;
    }

    private String host() throws IOException {
        return Table.text("backstep %s, %s, %s %s, %d processors, JDK %s, load %s, %s form, %d rounds: median (least..most)%n",
                System.getProperty("bench.commit", "?"), LocalDate.now(), System.getProperty("os.name"),
                System.getProperty("os.version"), Runtime.getRuntime().availableProcessors(),
                System.getProperty("java.runtime.version"), Files.readString(Path.of("/proc/loadavg")).split(" ")[0],
                quick ? "quick" : "full", rounds());
    }
}
