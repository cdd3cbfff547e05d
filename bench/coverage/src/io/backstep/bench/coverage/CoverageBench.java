// SPDX-License-Identifier: Apache-2.0
package io.backstep.bench.coverage;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.LocalDate;
import java.util.ArrayList;
import java.util.List;
import java.util.StringJoiner;

import io.backstep.Backstep;
import io.backstep.bench.Table;
import io.backstep.retain.ErrorLatency;
import io.backstep.retain.KeepCoverage;
import io.backstep.retain.KeepLast;
import io.backstep.retain.Outlook;
import io.backstep.retain.Retention;

/**
 * Compares the coverage that is predicted with what becomes of faults in real programs. Each prediction must lie in an
 * interval around what was measured; these intervals hold all at once with 99 % (Bonferroni's correction).
 */
public final class CoverageBench {
    private static final double COVERAGE = 0.9;
    private static final int LAST = 3;
    private static final long INTERVAL_NS = 5_000_000;
    private static final long NS_PER_MS = 1_000_000;
    private static final int FAULTS = 420;
    private static final int PARTS_IF_QUICK = 10;
    private static final int PHASE_INTERVALS = 4;
    private static final long BEGIN_MS = 300;
    private static final long NO_NEWS_NS = 20_000_000_000L;
    private static final double OWN = 0.95;
    private static final double TOGETHER = 0.99;
    private static final String LATENCIES = "exp:mean=10ms uniform:0..40ms lognormal:median=6ms,sigma=1 "
            + "weibull:scale=6ms,shape=0.6 mix:0.8*exp:mean=3ms+0.2*uniform:10ms..50ms";

    /** Programs that write much, little, and far apart; none of them ends by itself. */
    private static final List<List<String>> PROGRAMS = List.of(
            List.of("sh", "-c", "exec bzip2 -c </dev/urandom >/dev/null"),
            List.of("perl", "-e", "for (my $i = 0;; $i++) { $h{$i * 7919 % 20000} .= chr($i % 26 + 97); "
                    + "delete $h{$i * 31 % 20000} if $i % 3 == 0 }"),
            List.of("python3", "-c", "import itertools\nt = [0] * 50000\n"
                    + "for i in itertools.count():\n  t[i * 7919 % 50000] = i * i % 1000003"));

    private record Setup(String latencyText, ErrorLatency latency, String kept, Retention retention) {
    }

    private record Answer(Setup setup, int noticed, int clean, double predicted, double ofKept, double lateMs) {
        private double share() {
            return (double) clean / noticed;
        }

        private ClopperPearson interval(double confidence) {
            return ClopperPearson.of(clean, noticed, confidence);
        }
    }

    private final Path work = Path.of(System.getProperty("bench.home"), "target/bench-coverage");
    private final boolean quick = "1".equals(System.getenv("QUICK"));
    private final long seed = Long.parseLong(System.getenv().getOrDefault("SEED", "1"));
    private final String latencies = System.getenv().getOrDefault("LATENCIES", LATENCIES);
    private final int perProgram = FAULTS / PROGRAMS.size() / (quick ? PARTS_IF_QUICK : 1);

    private CoverageBench() {
    }

    public static void main(String[] arguments) throws IOException {
        System.exit(new CoverageBench().run() ? 0 : 1);
    }

    private boolean run() throws IOException {
        System.out.print(Table.text("backstep %s, %s, Linux %s, JDK %s, %s form, seed %d%n",
                System.getProperty("bench.commit", "?"), LocalDate.now(), System.getProperty("os.version"),
                System.getProperty("java.runtime.version"), quick ? "quick" : "full", seed));
        List<Answer> answers = new ArrayList<>();
        for (String text : latencies.split(" +")) {
            ErrorLatency latency = ErrorLatency.parse(text);
            answers.add(measure(new Setup(text, latency, "coverage " + COVERAGE,
                    KeepCoverage.ofFew(latency, COVERAGE, INTERVAL_NS))));
            answers.add(measure(new Setup(text, latency, "last " + LAST, new KeepLast(LAST))));
        }
        return tell(answers);
    }

    private Answer measure(Setup setup) {
        long setupSeed = seed + (setup.latencyText + setup.kept).hashCode(); // of its own, whatever else is measured
        int noticed = 0;
        int clean = 0;
        double ofKept = 0;
        double lateNs = 0;
        for (int i = 0; i < PROGRAMS.size(); i++) {
            Faults faults = inject(setup, PROGRAMS.get(i), setupSeed * PROGRAMS.size() + i);
            noticed += faults.noticed();
            clean += faults.clean();
            ofKept += faults.expected();
            lateNs += faults.lateNs();
        }
        double predicted = Outlook.of(setup.retention, setup.latency, INTERVAL_NS).coverage();
        return new Answer(setup, noticed, clean, predicted, ofKept / noticed, lateNs / noticed / NS_PER_MS);
    }

    private Faults inject(Setup setup, List<String> program, long programSeed) {
        Faults faults = new Faults(setup.latency, setup.retention.longestNs(INTERVAL_NS) + 2 * INTERVAL_NS,
                PHASE_INTERVALS * INTERVAL_NS, programSeed);
        Backstep.Context context = new Backstep.Context().program(program).holdOutput(false).intervalNs(INTERVAL_NS)
                .retention(setup.retention).faults(faults).listener(faults);
        try (Backstep backstep = Backstep.launch(context)) {
            long startNs = System.nanoTime();
            boolean isBegun = false;
            int noticed = 0;
            long newsNs = startNs;
            while (!backstep.engine().isDone() && faults.noticed() < perProgram && faults.broken() == null) {
                backstep.engine().doWork();
                long nowNs = System.nanoTime();
                if (!isBegun && nowNs - startNs > BEGIN_MS * NS_PER_MS) {
                    isBegun = true;
                    faults.begin(backstep.engine(), backstep.target().pid(), nowNs - startNs);
                }
                if (faults.noticed() > noticed) {
                    noticed = faults.noticed();
                    newsNs = nowNs;
                }
                if (nowNs - newsNs > NO_NEWS_NS) {
                    throw new IllegalStateException(program + ": no error was noticed for long");
                }
            }
            if (faults.broken() != null || backstep.engine().isDone()) {
                throw new IllegalStateException(
                        program + ": " + (faults.broken() == null ? "it ended" : faults.broken()));
            }
            backstep.target().kill();
        }
        return faults;
    }

    private boolean tell(List<Answer> answers) throws IOException {
        double together = 1 - (1 - TOGETHER) / answers.size();
        Table table = new Table("coverage, measured with faults in bzip2, perl and python3; an interval of "
                + INTERVAL_NS / NS_PER_MS + " ms", "latency", "kept", "faults", "clean", "measured", "95 % interval",
                "predicted", "within", "by what was kept", "late");
        StringJoiner csv = new StringJoiner("\n", "", "\n");
        csv.add("latency,kept,seed,faults,clean,measured,low_95,high_95,predicted,by_what_was_kept,late_ms");
        boolean isMet = true;
        for (Answer answer : answers) {
            ClopperPearson own = answer.interval(OWN);
            boolean isWithinTogether = answer.interval(together).contains(answer.predicted);
            isMet &= isWithinTogether;
            table.add(isWithinTogether ? Table.Grade.MET : Table.Grade.NOT_MET, answer.setup.latencyText,
                    answer.setup.kept, Integer.toString(answer.noticed), Integer.toString(answer.clean),
                    Table.text("%.4f", answer.share()), Table.text("%.4f..%.4f", own.low(), own.high()),
                    Table.text("%.4f", answer.predicted), own.contains(answer.predicted) ? "yes" : "no",
                    Table.text("%.4f", answer.ofKept), Table.text("%.2f ms", answer.lateMs));
            csv.add(Table.text("\"%s\",%s,%d,%d,%d,%.6f,%.6f,%.6f,%.6f,%.6f,%.4f", answer.setup.latencyText,
                    answer.setup.kept, seed, answer.noticed, answer.clean, answer.share(), own.low(), own.high(),
                    answer.predicted, answer.ofKept, answer.lateMs));
        }
        table.remark("by what was kept: the mean probability that the oldest checkpoint there in fact was clean");
        table.remark("late: how much later than drawn the errors were noticed, on average");
        table.remark("met: the prediction lies in an interval of those that all hold at once with 99 %%");
        System.out.print(table);
        Files.writeString(work.resolve("results.csv"), csv.toString());
        System.out.println("\n  also in target/bench-coverage/results.csv");
        return isMet;
    }
}
