// SPDX-License-Identifier: Apache-2.0
package io.backstep.bench.parts;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

import io.backstep.bench.Sample;
import io.backstep.bench.Table;
import io.backstep.bench.Table.Grade;
import io.backstep.bench.jmh.Figures;
import io.backstep.bench.jmh.Question;
import io.backstep.bench.jmh.Run;

/** The questions by name, in the order in which they are answered. */
final class Questions {
    private Questions() {
    }

    static Map<String, Question> all() {
        Map<String, Question> all = new LinkedHashMap<>();
        all.put("call", new Beside("a call of the native library that does next to nothing", "ns", Run.of(NativeCall.class, "javaCall"),
                "a call of Java", Run.of(NativeCall.class, "nativeCall")));
        all.put("copy", new OfPages("copy of D pages of another process by process_vm_readv", PageCopy.class, "processVmReadv",
                List.of(100, 1000, 10000), PageCopy.class, "memcpy", "D pages by memcpy"));
        all.put("scan", new Scans());
        all.put("capture", new OfPages("pause of a sleeping program of " + PageCopy.MIB + " MiB with D dirty pages", PauseAndRollback.class,
                "capture", List.of(100, 1000, 10000), PageCopy.class, "memcpy", "D pages by memcpy"));
        all.put("publish", ofMap("a capture of D pages becomes a checkpoint", "publish"));
        all.put("merge", ofMap("a checkpoint between two others is dropped, D pages each", "merge"));
        all.put("plan", ofMap("planning a rollback over two intervals of D pages and D pages since", "plan"));
        all.put("follow", ofMap("the store follows that rollback", "follow"));
        all.put("rollback", new OfPages("rollback of a sleeping program, D pages", PauseAndRollback.class, "rollback",
                List.of(100, 1000, 10000), PageCopy.class, "memcpy", "D pages by memcpy"));
        all.put("predictor", new Prophecies());
        all.put("allocation", new Allocation());
        return all;
    }

    private static Question ofMap(String what, String method) {
        return new OfPages(what, Bookkeeping.class, method, List.of(1000, 10000), Bookkeeping.class, "map",
                "D times put into Agrona's Long2LongHashMap");
    }

    private static String inPages(int pages) {
        return "pages=" + pages;
    }

    /** One figure beside another. */
    private record Beside(String what, String unit, Run baseline, String baselineName, Run run) implements Question {
        @Override
        public List<Run> runs(boolean quick) {
            return List.of(baseline, run);
        }

        @Override
        public Table answer(Figures figures, boolean quick) {
            Table table = new Table(what, "", unit, baselineName + ", " + unit, "ratio");
            table.add(Grade.NONE, "", Figures.text(figures.typical(run)), Figures.text(figures.typical(baseline)),
                    Figures.text(figures.ratio(run, baseline)));
            return table;
        }
    }

    /** By the number of pages; the short form leaves the least and the most out. */
    private record OfPages(String what, Class<?> benchmark, String method, List<Integer> sizes, Class<?> baseline,
            String baselineMethod, String baselineName) implements Question {
        private Run run(int pages) {
            return Run.of(benchmark, method, inPages(pages));
        }

        private Run baseline(int pages) {
            return Run.of(baseline, baselineMethod, inPages(pages));
        }

        private List<Integer> asked(boolean quick) {
            return quick ? List.of(1000) : sizes;
        }

        @Override
        public List<Run> runs(boolean quick) {
            List<Run> runs = new ArrayList<>();
            for (int pages : asked(quick)) {
                runs.add(baseline(pages));
                runs.add(run(pages));
            }
            return runs;
        }

        @Override
        public Table answer(Figures figures, boolean quick) {
            Table table = new Table(what, "D", "us, p50", "us, p99", "ns per page", baselineName + ", us", "ratio");
            for (int pages : asked(quick)) {
                Sample typical = figures.typical(run(pages));
                table.add(Grade.NONE, Integer.toString(pages), Figures.text(typical), Figures.text(figures.tails(run(pages))),
                        Figures.text(Figures.map(typical, 1000.0 / pages)), Figures.text(figures.typical(baseline(pages))),
                        Figures.text(figures.ratio(run(pages), baseline(pages))));
            }
            return table;
        }
    }

    private static final class Scans implements Question {
        private static Run run(String method, int mib) {
            return Run.of(Scan.class, method, "mib=" + mib);
        }

        private static List<Integer> sizes(boolean quick) {
            return quick ? List.of(256) : List.of(64, 256, 1024);
        }

        @Override
        public List<Run> runs(boolean quick) {
            List<Run> runs = new ArrayList<>();
            for (int mib : sizes(quick)) {
                runs.add(run("bareScan", mib));
                runs.add(run("capture", mib));
            }
            return runs;
        }

        @Override
        public Table answer(Figures figures, boolean quick) {
            Table table = new Table("capture of a standing program with nothing written: its walks and its state", "resident",
                    "us, p50", "us, p99", "one bare PAGEMAP_SCAN, us", "ratio");
            for (int mib : sizes(quick)) {
                Run capture = run("capture", mib);
                Run bare = run("bareScan", mib);
                table.add(Grade.NONE, mib + " MiB", Figures.text(figures.typical(capture)), Figures.text(figures.tails(capture)),
                        Figures.text(figures.typical(bare)), Figures.text(figures.ratio(capture, bare)));
            }
            return table;
        }
    }

    private static final class Prophecies implements Question {
        private static final List<String> PREDICTORS = List.of("off", "last", "cost");
        private static final List<Integer> SIZES = List.of(1000, 10000);

        private static Run run(String predictor, int pages) {
            return Run.of(Prophecy.class, "observeAndPredict", "predictor=" + predictor, inPages(pages));
        }

        @Override
        public List<Run> runs(boolean quick) {
            List<Run> runs = new ArrayList<>();
            SIZES.forEach(pages -> PREDICTORS.forEach(predictor -> runs.add(run(predictor, pages))));
            return runs;
        }

        @Override
        public Table answer(Figures figures, boolean quick) {
            Table table = new Table("a predictor learns of D written pages and predicts", "predictor, D", "us, p50", "us, p99",
                    "ns per page");
            for (int pages : SIZES) {
                for (String predictor : PREDICTORS) {
                    Run run = run(predictor, pages);
                    table.add(Grade.NONE, predictor + ", " + pages, Figures.text(figures.typical(run)),
                            Figures.text(figures.tails(run)), Figures.text(Figures.map(figures.typical(run), 1000.0 / pages)));
                }
            }
            table.remark("off does neither: what it takes is the call and the clock");
            return table;
        }
    }

    /** An object takes 16 bytes at least: what is less was not allocated by each. */
    private static final class Allocation implements Question {
        private static final int OBJECT_BYTES = 16;
        private static final int CALLS = 20_000;
        private static final int CALLS_OF_CAPTURE = 8_000;

        private static Map<String, Run> all() {
            Map<String, Run> all = new LinkedHashMap<>();
            all.put("capture, publication of 100 pages", Run.of(PauseAndRollback.class, "capture", inPages(100))
                    .counted(CALLS_OF_CAPTURE));
            all.put("publication of 1000 pages", Run.of(Bookkeeping.class, "publish", inPages(1000)).counted(CALLS));
            all.put("predictor last, 1000 pages", Prophecies.run("last", 1000).counted(CALLS));
            all.put("predictor cost, 1000 pages", Prophecies.run("cost", 1000).counted(CALLS));
            return all;
        }

        @Override
        public List<Run> runs(boolean quick) {
            return List.copyOf(all().values());
        }

        @Override
        public Table answer(Figures figures, boolean quick) {
            Table table = new Table("bytes that a call allocates on the heap", "call", "bytes", "bound");
            all().forEach((name, run) -> table.add(Grade.atMost(figures.allocated(run).median(), OBJECT_BYTES - 1), name,
                    Figures.text(figures.allocated(run)), "0 (< " + OBJECT_BYTES + ")"));
            table.remark("by JMH's gc profiler over %d calls (capture: %d); what JMH allocates itself in an iteration is in it",
                    CALLS, CALLS_OF_CAPTURE);
            return table;
        }
    }
}
