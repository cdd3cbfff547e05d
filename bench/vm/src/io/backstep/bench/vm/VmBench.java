// SPDX-License-Identifier: Apache-2.0
package io.backstep.bench.vm;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.LocalDate;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Stream;

import io.backstep.bench.Sample;
import io.backstep.bench.Table;
import io.backstep.core.Discipline;

/** What protecting a virtual machine costs, and how fast it is put back: a table for each question. */
public final class VmBench {
    private static final Map<String, Question> QUESTIONS = new LinkedHashMap<>();

    static {
        QUESTIONS.put("pause", new PauseTime());
        QUESTIONS.put("slowdown", new SlowDown());
        QUESTIONS.put("rollback", new RollbackTime());
        QUESTIONS.put("peers", new QemusOwn());
    }

    private VmBench() {
    }

    public static void main(String[] names) throws Exception {
        List<String> asked = names.length == 0 ? List.copyOf(QUESTIONS.keySet()) : List.of(names);
        for (String name : asked) {
            if (!QUESTIONS.containsKey(name)) {
                System.err.println("bench: no question '" + name + "'; there are " + String.join(", ", QUESTIONS.keySet()));
                System.exit(2);
            }
        }
        Path home = Path.of(System.getProperty("bench.home"));
        Path work = home.resolve("target/bench-vm");
        Path csv = work.resolve("results.csv");
        if (names.length == 0 || Files.notExists(csv)) {
            Files.writeString(csv, "question,setting,what,unit,value\n");
        }
        Bed bed = new Bed(home, work.resolve("guest"), Path.of("/dev/shm"),
                System.getenv().getOrDefault("QEMU", "qemu-system-x86_64"), "1".equals(System.getenv("QUICK")),
                System.getenv().getOrDefault("MACHINES", ""), disciplines(), csv);
        System.out.print(host(bed));
        List<Table> answers = new ArrayList<>();
        for (String name : asked) {
            Table answer = QUESTIONS.get(name).answer(bed);
            System.out.print(answer);
            System.out.flush();
            answers.add(answer);
        }
        System.out.println("\n== summary");
        for (Table answer : answers) {
            answer.named(Table.Grade.NOT_MET).forEach(line -> System.out.println("  NOT met  " + line));
            answer.named(Table.Grade.MET).forEach(line -> System.out.println("  met  " + line));
        }
    }

    private static List<Discipline> disciplines() {
        return Stream.of(System.getenv().getOrDefault("CAPTURE", "copy").split(","))
                .map(name -> Discipline.valueOf(name.toUpperCase(Locale.ROOT))).toList();
    }

    private static String host(Bed bed) throws IOException {
        Process process = new ProcessBuilder(bed.qemu(), "--version").start();
        String version = new String(process.getInputStream().readAllBytes()).lines().findFirst().orElse("?");
        return Table.text("backstep %s, %s, %s %s, %d processors, JDK %s, %s, load %s, %s form, resampling seed %d%n",
                System.getProperty("bench.commit", "?"), LocalDate.now(), System.getProperty("os.name"),
                System.getProperty("os.version"), Runtime.getRuntime().availableProcessors(),
                System.getProperty("java.runtime.version"), version, Files.readString(Path.of("/proc/loadavg")).split(" ")[0],
                bed.quick() ? "quick" : "full", Sample.SEED);
    }
}
