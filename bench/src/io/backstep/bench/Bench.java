// SPDX-License-Identifier: Apache-2.0
package io.backstep.bench;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.LocalDate;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;

/**
 * Asks the questions that are named, or all, and prints a table for each, then what was not met and what was. Prints to standard
 * error, because the programs that are measured have standard output. The exit status tells whether all was measured, not
 * whether all was met.
 */
public final class Bench {
    private static final String ALL_GROWTH = "growth";
    private static final Map<String, Question> QUESTIONS = new LinkedHashMap<>();

    static {
        QUESTIONS.put("idle", new IdlePause());
        QUESTIONS.put("dirty", new DirtyPause());
        QUESTIONS.put("rollback", new RollbackTime());
        QUESTIONS.put("runtime", new RunTime());
        QUESTIONS.put("memory", new MemoryUse());
        QUESTIONS.put("startup", new StartUp());
        QUESTIONS.put("window", new InjectionWindow());
        QUESTIONS.put("growth-memory", Growth.withMemory());
        QUESTIONS.put("growth-pages", Growth.withPages());
        QUESTIONS.put("growth-mappings", Growth.withMappings());
        QUESTIONS.put("growth-threads", Growth.withThreads());
    }

    private Bench() {
    }

    public static void main(String[] names) throws Exception {
        Setting setting = new Setting(Path.of(System.getProperty("bench.home")), "1".equals(System.getenv("QUICK")));
        List<String> asked = names.length == 0 ? List.copyOf(QUESTIONS.keySet())
                : Stream.of(names).flatMap(name -> name.equals(ALL_GROWTH) ? allGrowth() : Stream.of(name)).toList();
        for (String name : asked) {
            if (!QUESTIONS.containsKey(name)) {
                System.err.println("bench: no question '" + name + "'; there are " + String.join(", ", QUESTIONS.keySet()));
                System.exit(2);
            }
        }
        System.err.print(host(setting));
        List<Table> answers = new ArrayList<>();
        for (String name : asked) {
            Table answer = QUESTIONS.get(name).answer(setting);
            System.err.print(answer);
            answers.add(answer);
        }
        System.err.println("\n== summary");
        sum(answers, Table.Grade.NOT_MET, "NOT met");
        sum(answers, Table.Grade.MET, "met");
    }

    private static Stream<String> allGrowth() {
        return QUESTIONS.keySet().stream().filter(name -> name.startsWith(ALL_GROWTH));
    }

    private static void sum(List<Table> answers, Table.Grade grade, String word) {
        for (Table answer : answers) {
            answer.named(grade).forEach(line -> System.err.println("  " + word + "  " + line));
        }
    }

    private static String host(Setting setting) throws IOException {
        return Table.text("backstep %s, %s, %s %s, %d processors, JDK %s, load %s, %s form, resampling seed %d%n",
                System.getProperty("bench.commit", "?"), LocalDate.now(), System.getProperty("os.name"),
                System.getProperty("os.version"), Runtime.getRuntime().availableProcessors(),
                System.getProperty("java.runtime.version"), Files.readString(Path.of("/proc/loadavg")).split(" ")[0],
                setting.quick() ? "quick" : "full", Sample.SEED);
    }
}
