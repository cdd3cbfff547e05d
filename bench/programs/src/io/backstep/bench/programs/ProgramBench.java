// SPDX-License-Identifier: Apache-2.0
package io.backstep.bench.programs;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.LocalDate;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;

import io.backstep.bench.Sample;
import io.backstep.bench.Table;

/**
 * What protection costs twelve real programs. The ways to run one take turns, with an undisturbed run before each
 * interval's, and each round begins with another way. Arguments name programs; none: all. The exit status is 1 when a
 * program failed or wrote something else under backstep than undisturbed; what a peer cannot run and whether the
 * figures hold is told, no more.
 */
public final class ProgramBench {
    private static final Map<String, String> ENVIRONMENT = System.getenv();

    private final boolean quick = "1".equals(ENVIRONMENT.get("QUICK"));
    private final Path home = Path.of(System.getProperty("bench.home"));
    private final Path work = home.resolve("target/bench-programs");
    private final Runner runner = new Runner(home, work, quick ? "quick" : "full");
    private final Peers peers = new Peers(runner, work);
    private final Results results = new Results();
    private final List<Row> rows = new ArrayList<>();
    private final List<Integer> intervalsMs = words("INTERVALS", quick ? "50 10" : "50 20 10 5").map(Integer::valueOf)
            .toList();

    private Row byDefault;

    private ProgramBench() {
    }

    public static void main(String[] names) throws Exception {
        System.exit(new ProgramBench().run(List.of(names)));
    }

    private int run(List<String> names) throws IOException, InterruptedException {
        List<Program> programs = Program.all(home.resolve("bench/programs/list")).stream()
                .filter(program -> names.isEmpty() || names.contains(program.name())).toList();
        if (programs.size() < names.size()) {
            System.err.println("bench: not every program of " + names + " is in bench/programs/list");
            return 2;
        }
        System.out.print(host());
        for (String text : words("CONFIGS", "copy:off copy:last copy:cost cow:cost "
                + "peer:stop-copy peer:fork peer:mprotect peer:criu").toList()) {
            Row row = Row.of(text);
            String refusal = row.isPeer() ? peers.refusal(row) : runner.refusal(row);
            if (refusal == null) {
                rows.add(row);
            } else {
                System.out.println("left out: " + row + ": " + refusal);
            }
        }
        if (rows.isEmpty()) {
            return 2;
        }
        byDefault = runner.byDefault();
        boolean allEnded = true;
        for (Program program : programs) {
            System.err.println(program.name());
            try {
                measure(program);
            } catch (IOException e) {
                System.out.println("left out: " + e.getMessage());
                allEnded = false;
            }
        }
        return tell() && allEnded ? 0 : 1;
    }

    private void measure(Program program) throws IOException, InterruptedException {
        runner.undisturbed(program); // its files are read once
        int rounds = Integer.parseInt(ENVIRONMENT.getOrDefault("ROUNDS",
                Integer.toString(quick ? Math.max(2, 6 / Math.max(1, own().size())) : 3)));
        for (int round = 0; round < rounds; round++) {
            for (int intervalMs : intervalsMs) {
                if (quick && round > 0 && intervalMs != intervalsMs.get(0)) {
                    continue; // in the short form only the first interval is run more than once
                }
                results.addUndisturbed(program, runner.undisturbed(program));
                for (int i = 0; i < rows.size(); i++) {
                    Row row = rows.get((i + round) % rows.size());
                    Results.Way way = new Results.Way(row, intervalMs);
                    if (!row.isPeer()) {
                        results.add(program, way, runner.underProtection(program, row, intervalMs));
                    } else if (!quick || round == 0 && intervalMs == intervalsMs.get(0)) {
                        measureUnderPeer(program, way);
                    }
                }
            }
        }
        results.finish(program);
    }

    private void measureUnderPeer(Program program, Results.Way way) throws InterruptedException {
        if (results.failure(program, way) != null) {
            return;
        }
        double undisturbedMs = results.undisturbed(program).of(Run::wallMs).maximum();
        try {
            results.add(program, way, peers.run(program, way.row(), way.intervalMs(), Peers.limitMs(undisturbedMs)));
        } catch (IOException e) {
            results.addFailure(program, way, e.getMessage());
        }
    }

    /** The rows that are backstep's. */
    private List<Row> own() {
        return rows.stream().filter(row -> !row.isPeer()).toList();
    }

    /** Were all outputs under backstep the same? */
    private boolean tell() throws IOException {
        List<Results.Way> ways = intervalsMs.stream().flatMap(ms -> rows.stream().map(row -> new Results.Way(row, ms)))
                .toList();
        intervalsMs.forEach(intervalMs -> System.out.print(Tables.ofInterval(results, rows, byDefault,
                intervalMs)));
        System.out.print(Claims.judge(results, rows, byDefault, intervalsMs));
        Files.writeString(work.resolve("results.csv"), Csv.of(results, ways, byDefault));
        Files.writeString(work.resolve("overhead.svg"), Chart.of(results, own(), intervalsMs));
        System.out.println("also in " + home.relativize(work.resolve("results.csv")) + " and "
                + home.relativize(work.resolve("overhead.svg")));
        return results.programs().stream().allMatch(program -> ways.stream().filter(way -> !way.row().isPeer())
                .allMatch(way -> results.sameOutput(program, way)));
    }

    private static Stream<String> words(String variable, String byDefault) {
        return Stream.of(ENVIRONMENT.getOrDefault(variable, byDefault).trim().split(" +"));
    }

    private String host() throws IOException {
        return Table.text("backstep %s, %s, %s %s, %d processors, JDK %s, load %s, %s form, resampling seed %d%n",
                System.getProperty("bench.commit", "?"), LocalDate.now(), System.getProperty("os.name"),
                System.getProperty("os.version"), Runtime.getRuntime().availableProcessors(),
                System.getProperty("java.runtime.version"), Files.readString(Path.of("/proc/loadavg")).split(" ")[0],
                quick ? "quick" : "full", Sample.SEED);
    }
}
