// SPDX-License-Identifier: Apache-2.0
package io.backstep.bench.regions;

import io.backstep.bench.jmh.Figures;
import io.backstep.bench.jmh.Question;
import io.backstep.bench.jmh.Run;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

import io.backstep.bench.Sample;
import io.backstep.bench.Table;
import io.backstep.bench.Table.Grade;

/** The questions by name, in the order in which they are answered. */
final class Questions {
    private static final double IDLE_US_PER_GIB = 1200;
    private static final double CHECKPOINT_BOUND = 1.5;
    private static final double ROLLBACK_BOUND = 2;
    private static final double FIRST_WRITE_BOUND = 8;
    private static final Map<Integer, Double> WRITERS_BOUNDS = new TreeMap<>(Map.of(50, 0.97, 10, 0.90));
    private static final List<String> PERCENTS = List.of("0.1", "1", "10", "100");
    private static final int PAGES_OF_REGION = DirtyCheckpoint.MIB * Memory.MIB / 4096;

    private Questions() {
    }

    static Map<String, Question> all() {
        Map<String, Question> all = new LinkedHashMap<>();
        all.put("idle", new Idle());
        all.put("dirty", new Dirty());
        all.put("instead", new OtherWays());
        all.put("rollback", new Back());
        all.put("writers", new Throughput());
        all.put("first", new First());
        all.put("allocation", new Allocation());
        return all;
    }

    private static Run idle(String method, int mib, String pages) {
        return Run.of(IdleCheckpoint.class, method, "mib=" + mib, "pages=" + pages);
    }

    private static Run idleOfDirty() {
        return idle("checkpoint", DirtyCheckpoint.MIB, "small");
    }

    private static Run dirty(String method, String percent) {
        return Run.of(DirtyCheckpoint.class, method, "percent=" + percent);
    }

    private static long pages(String percent) {
        return Math.round(PAGES_OF_REGION * Double.parseDouble(percent) / 100);
    }

    private static List<Run> forPercents(Class<?> benchmark, String... methods) {
        List<Run> runs = new ArrayList<>();
        for (String percent : PERCENTS) {
            for (String method : methods) {
                runs.add(Run.of(benchmark, method, "percent=" + percent));
            }
        }
        return runs;
    }

    private static final class Idle implements Question {
        private static final List<Integer> SIZES = List.of(16, 64, 256, 1024, 4096);
        private static final int HUGE = 1024;

        @Override
        public List<Run> runs(boolean quick) {
            List<Run> runs = new ArrayList<>();
            for (int mib : SIZES) {
                runs.add(idle("checkpoint", mib, "small"));
                if (!quick || mib == HUGE) {
                    runs.add(idle("bareScan", mib, "small"));
                }
            }
            runs.add(idle("checkpoint", HUGE, "huge"));
            runs.add(idle("checkpoint", HUGE, "split"));
            runs.add(idle("bareScan", HUGE, "huge"));
            return runs;
        }

        @Override
        public Table answer(Figures figures, boolean quick) {
            Table table = new Table("checkpoint with nothing written", "region", "us, p50", "us, p99",
                    "bare scan of the page tables, us", "us per GiB", "bound");
            SIZES.forEach(mib -> add(table, figures, mib, "small"));
            add(table, figures, HUGE, "huge");
            add(table, figures, HUGE, "split");
            table.remark("split: huge pages, each of which was written since the first checkpoint");
            table.remark("bare scan: one PAGEMAP_SCAN of as much memory and nothing else");
            return table;
        }

        private static void add(Table table, Figures figures, int mib, String pages) {
            Run run = idle("checkpoint", mib, pages);
            Run scan = idle("bareScan", mib, pages);
            Sample perGib = Figures.map(figures.typical(run), 1024.0 / mib);
            table.add(Grade.atMost(perGib.median(), IDLE_US_PER_GIB), mib + " MiB, " + pages + " pages",
                    Figures.text(figures.typical(run)), Figures.text(figures.tails(run)),
                    figures.typical(scan).size() == 0 ? "" : Figures.text(figures.typical(scan)), Figures.text(perGib),
                    Table.text("%.0f", IDLE_US_PER_GIB));
        }
    }

    private static final class Dirty implements Question {
        @Override
        public List<Run> runs(boolean quick) {
            List<Run> runs = new ArrayList<>(List.of(idleOfDirty()));
            runs.addAll(forPercents(DirtyCheckpoint.class, "checkpoint", "copy"));
            return runs;
        }

        @Override
        public Table answer(Figures figures, boolean quick) {
            Table table = new Table("checkpoint with D written pages of " + DirtyCheckpoint.MIB + " MiB", "D", "us, p50",
                    "us, p99", "copying D pages, us", "/ copy", "/ (idle checkpoint + copy)", "bound");
            for (String percent : PERCENTS) {
                Run checkpoint = dirty("checkpoint", percent);
                Run copy = dirty("copy", percent);
                Sample ratio = figures.ratio(checkpoint, idleOfDirty(), copy);
                table.add(Grade.atMost(ratio.median(), CHECKPOINT_BOUND), pages(percent) + " (" + percent + " %)",
                        Figures.text(figures.typical(checkpoint)), Figures.text(figures.tails(checkpoint)),
                        Figures.text(figures.typical(copy)), Figures.text(figures.ratio(checkpoint, copy)),
                        Figures.text(ratio), Table.text("%.1f", CHECKPOINT_BOUND));
            }
            table.remark("an idle checkpoint of this region: %s us", Figures.text(figures.typical(idleOfDirty())));
            return table;
        }
    }

    private static final class OtherWays implements Question {
        private static final List<String> WAYS = List.of("copyOfBuffer", "copyOfMap", "serialised");

        private static Run way(String method) {
            return Run.of(Instead.class, method);
        }

        @Override
        public List<Run> runs(boolean quick) {
            List<Run> runs = forPercents(DirtyCheckpoint.class, "writeAndCheckpoint", "writeAndGuardAgain");
            WAYS.forEach(method -> runs.add(way(method)));
            return runs;
        }

        @Override
        public Table answer(Figures figures, boolean quick) {
            Table table = new Table("what else a Java program can do, as multiples of backstep's time for the writes and the "
                    + "checkpoint together, " + DirtyCheckpoint.MIB + " MiB", "D", "backstep, us", "mprotect and SIGSEGV",
                    "copy of the buffer", "copy of a map of records", "serialising the records");
            for (String percent : PERCENTS) {
                Run ours = dirty("writeAndCheckpoint", percent);
                table.add(Grade.NONE, pages(percent) + " (" + percent + " %)", Figures.text(figures.typical(ours)),
                        Figures.text(figures.ratio(dirty("writeAndGuardAgain", percent), ours)),
                        Figures.text(figures.ratio(way("copyOfBuffer"), ours)),
                        Figures.text(figures.ratio(way("copyOfMap"), ours)),
                        Figures.text(figures.ratio(way("serialised"), ours)));
            }
            for (String method : WAYS) {
                table.remark("%s: %s us", method, Figures.text(figures.typical(way(method))));
            }
            table.remark("a map or an array of records on the heap, 64 bytes of content each; these three copy all of it each time");
            table.remark("fork(2), the usual way in C, is not there for a JVM: the child would have one thread and no collector");
            return table;
        }
    }

    private static final class Back implements Question {
        @Override
        public List<Run> runs(boolean quick) {
            List<Run> runs = new ArrayList<>(List.of(idleOfDirty()));
            runs.addAll(forPercents(Rollback.class, "rollback", "copyBack"));
            return runs;
        }

        @Override
        public Table answer(Figures figures, boolean quick) {
            Table table = new Table("rollback of D written pages of " + DirtyCheckpoint.MIB + " MiB", "D", "us, p50",
                    "us, p99", "copying D pages, us", "/ copy", "/ (idle checkpoint + copy)", "bound");
            for (String percent : PERCENTS) {
                Run rollback = Run.of(Rollback.class, "rollback", "percent=" + percent);
                Run copy = Run.of(Rollback.class, "copyBack", "percent=" + percent);
                Sample ratio = figures.ratio(rollback, idleOfDirty(), copy);
                table.add(Grade.atMost(ratio.median(), ROLLBACK_BOUND), pages(percent) + " (" + percent + " %)",
                        Figures.text(figures.typical(rollback)), Figures.text(figures.tails(rollback)),
                        Figures.text(figures.typical(copy)), Figures.text(figures.ratio(rollback, copy)),
                        Figures.text(ratio), Table.text("%.1f", ROLLBACK_BOUND));
            }
            return table;
        }
    }

    private static final class Throughput implements Question {
        private static Run writer(int intervalMs, String protection) {
            return Run.of(Writers.class, "update", "intervalMs=" + intervalMs, "protection=" + protection).prolonged();
        }

        @Override
        public List<Run> runs(boolean quick) {
            List<Run> runs = new ArrayList<>();
            for (int intervalMs : WRITERS_BOUNDS.keySet()) {
                runs.add(writer(intervalMs, Writers.NONE));
                runs.add(writer(intervalMs, Writers.THREAD));
                runs.add(writer(intervalMs, Writers.AGENT));
            }
            return runs;
        }

        @Override
        public Table answer(Figures figures, boolean quick) {
            Table table = new Table("a writer's throughput under protection, " + Writers.MIB + " MiB, 1 % written per interval",
                    "interval, captures by", "unprotected, 64 updates per ms", "protected", "share", "bound");
            WRITERS_BOUNDS.forEach((intervalMs, bound) -> {
                for (String protection : List.of(Writers.THREAD, Writers.AGENT)) {
                    Sample share = figures.ratio(writer(intervalMs, protection), writer(intervalMs, Writers.NONE));
                    table.add(Grade.atMost(bound, share.median()), intervalMs + " ms, " + protection,
                            Figures.text(figures.typical(writer(intervalMs, Writers.NONE))),
                            Figures.text(figures.typical(writer(intervalMs, protection))), Figures.text(share),
                            Table.text("%.2f", bound));
                }
            });
            table.remark("thread: one of backstep's own; agent: the writer's, which calls backstep every 1024 updates");
            return table;
        }
    }

    private static final class First implements Question {
        private static Run write(String by) {
            return Run.of(FirstWrite.class, "write", "by=" + by);
        }

        private static Run writeHuge(String by) {
            return Run.of(FirstWrite.class, "writeHuge", "by=" + by);
        }

        @Override
        public List<Run> runs(boolean quick) {
            return List.of(write("nobody"), write("backstep"), write("mprotect"), writeHuge("nobody"), writeHuge("backstep"));
        }

        @Override
        public Table answer(Figures figures, boolean quick) {
            Table table = new Table("the first write to a page after a checkpoint, " + FirstWrite.PAGES + " pages of 64 MiB",
                    "noted by", "ns per page", "less the write itself, ns", "cheaper than by mprotect", "bound");
            Sample ours = over(figures, write("backstep"), write("nobody"));
            Sample guards = over(figures, write("mprotect"), write("nobody"));
            Sample ratio = new Sample();
            for (int i = 0; i < ours.size(); i++) {
                ratio.add(guards.value(i) / ours.value(i));
            }
            table.add(Grade.NONE, "nobody", Figures.text(figures.typical(write("nobody"))), "", "", "");
            table.add(Grade.atMost(FIRST_WRITE_BOUND, ratio.median()), "backstep",
                    Figures.text(figures.typical(write("backstep"))), Figures.text(ours), Figures.text(ratio),
                    Table.text("%.0f", FIRST_WRITE_BOUND));
            table.add(Grade.NONE, "mprotect and SIGSEGV", Figures.text(figures.typical(write("mprotect"))),
                    Figures.text(guards), "", "");
            table.add(Grade.NONE, "backstep, huge page", Figures.text(figures.typical(writeHuge("backstep"))),
                    Figures.text(over(figures, writeHuge("backstep"), writeHuge("nobody"))), "", "");
            return table;
        }

        private static Sample over(Figures figures, Run tracked, Run untracked) {
            Sample over = new Sample();
            for (int i = 0; i < figures.typical(tracked).size(); i++) {
                over.add(figures.typical(tracked).value(i) - figures.typical(untracked).value(i));
            }
            return over;
        }
    }

    private static final class Allocation implements Question {
        private static final String PERCENT = "0.1";
        private static final int CALLS = 20_000;

        @Override
        public List<Run> runs(boolean quick) {
            return List.of(idleOfDirty().counted(CALLS), dirty("checkpoint", PERCENT).counted(CALLS));
        }

        @Override
        public Table answer(Figures figures, boolean quick) {
            Table table = new Table("bytes that a checkpoint allocates on the heap", "checkpoint", "bytes", "bound");
            add(table, figures, "nothing written", idleOfDirty().counted(CALLS));
            add(table, figures, PERCENT + " % written", dirty("checkpoint", PERCENT).counted(CALLS));
            table.remark("by JMH's gc profiler over 20000 calls; what JMH allocates itself in an iteration is in it");
            return table;
        }

        /** An object takes 16 bytes at least: what is less was not allocated by each. */
        private static void add(Table table, Figures figures, String name, Run run) {
            Sample bytes = figures.allocated(run);
            table.add(Grade.atMost(bytes.median(), 15), name, Figures.text(bytes), "0 (< 16)");
        }
    }
}
