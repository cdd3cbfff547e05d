// SPDX-License-Identifier: Apache-2.0
package io.backstep.bench;

import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.lang.management.MemoryUsage;
import java.util.List;

import com.sun.management.ThreadMXBean;
import io.backstep.core.Capture;
import io.backstep.engine.RunRecord;
import io.backstep.target.process.ProcessTarget;

/**
 * How much memory does protection take? The mirror against the anonymous memory that the program has resident at the same moment;
 * all frames, pre-images and spare ones too, beside it; the Java heap; and what a capture allocates on it once warm.
 */
final class MemoryUse implements Question {
    private static final double MIRROR_BOUND = 1.05;
    private static final double HEAP_BOUND_MIB = 64;
    private static final double MIB = 1 << 20;
    private static final int BZIP2_BYTES = 20_000_000;
    private static final int CC1_IDENTIFIERS = 900;
    /** A program that has only just begun is left out: a table of one page would double it. */
    private static final long RESIDENT_LEAST = 1 << 20;
    /** A Checkpoint: header, two longs, a reference. */
    private static final long RECORD_BYTES = 32;
    private static final int WARM_UP = 60;
    private static final int DIRTY_PAGES = 1000;

    @Override
    public Table answer(Setting setting) throws IOException {
        Table table = new Table("memory", "what", "figure", "spread", "against", "ratio", "bound");
        mirror(table, "bzip2", List.of("bzip2", "-c", Inputs.libraries(setting.work(), BZIP2_BYTES).toString()));
        mirror(table, "cc1", setting.compiler("-O2", Inputs.recogniser(setting.work(), CC1_IDENTIFIERS).toString()));
        mirror(table, "writers", setting.victim("writers", 1, setting.times(4000, 2000), 32));
        allocation(table, setting);
        heap(table);
        return table;
    }

    private static void mirror(Table table, String name, List<String> command) {
        Sample ratio = new Sample();
        Sample mirrorMib = new Sample();
        Sample residentMib = new Sample();
        double peak;
        MirrorWindow[] window = new MirrorWindow[1];
        try (ProtectedRun run = new ProtectedRun(command, Setting.INTERVAL_NS, target -> window[0] = new MirrorWindow(target))) {
            while (!run.engine().isDone()) {
                run.engine().doWork();
                if (window[0].residentBytes >= RESIDENT_LEAST) {
                    RunRecord.MemoryBytes now = run.engine().record("").memory();
                    ratio.add((double) now.mirror() / window[0].residentBytes);
                    mirrorMib.add(now.mirror() / MIB);
                    residentMib.add(window[0].residentBytes / MIB);
                    window[0].residentBytes = 0;
                }
            }
            peak = run.engine().record("").memory().peak() / MIB;
        }
        table.add(Table.Grade.atMost(ratio.median(), MIRROR_BOUND), name + ": mirror (MiB)",
                Table.text("%.1f", mirrorMib.median()), Table.text("up to %.1f", mirrorMib.maximum()),
                Table.text("resident anonymous %.1f, up to %.1f", residentMib.median(), residentMib.maximum()),
                Table.text("%.3f (%.3f..%.3f)", ratio.median(), ratio.minimum(), ratio.maximum()),
                Table.text("%.2f", MIRROR_BOUND));
        table.add(Table.Grade.NONE, name + ": all frames and tables, at most (MiB)", Table.text("%.1f", peak), "",
                Table.text("resident anonymous up to %.1f", residentMib.maximum()),
                Table.text("%.2f", peak / residentMib.maximum()), "");
    }

    private static void allocation(Table table, Setting setting) {
        ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
        long thread = Thread.currentThread().getId();
        Sample bytes = new Sample();
        try (ProtectedRun run = new ProtectedRun(setting.victim("dirty", 32, DIRTY_PAGES / 10, 5, 1_000_000), Setting.INTERVAL_NS,
                target -> target)) {
            long newest = 0;
            int captures = 0;
            while (bytes.size() < setting.times(200, 60)) {
                long before = threads.getThreadAllocatedBytes(thread);
                run.engine().doWork();
                long allocated = threads.getThreadAllocatedBytes(thread) - before;
                List<io.backstep.core.Checkpoint> kept = run.engine().checkpoints();
                long id = kept.get(kept.size() - 1).id();
                if (id != newest) {
                    newest = id;
                    if (captures++ > WARM_UP) {
                        bytes.add(allocated);
                    }
                }
            }
        }
        table.add(Table.Grade.atMost(bytes.upperQuartile() - RECORD_BYTES, 0), "allocated per capture (B)",
                Table.text("%.0f", bytes.median()), Table.text("%.0f..%.0f", bytes.minimum(), bytes.maximum()),
                Table.text("the checkpoint's record %d", RECORD_BYTES), "", Table.text("%d", RECORD_BYTES));
    }

    private static void heap(Table table) {
        System.gc();
        MemoryUsage heap = ManagementFactory.getMemoryMXBean().getHeapMemoryUsage();
        table.add(Table.Grade.atMost(heap.getCommitted() / MIB, HEAP_BOUND_MIB), "Java heap committed (MiB)",
                Table.text("%.1f", heap.getCommitted() / MIB), Table.text("%.1f in use", heap.getUsed() / MIB),
                Table.text("the launcher's limit %.0f", heap.getMax() / MIB), "", Table.text("%.0f", HEAP_BOUND_MIB));
    }

    private static final class MirrorWindow extends ObservedTarget {
        private final ProcessFiles files;
        private long residentBytes;

        MirrorWindow(ProcessTarget target) {
            super(target);
            files = new ProcessFiles(target.pid());
        }

        /** Looks while the program still stands, so that both numbers are of one moment. */
        @Override
        public boolean capture(Capture capture) {
            halt();
            if (!super.capture(capture)) {
                return false;
            }
            residentBytes = files.countedAnonymousBytes();
            resume();
            return true;
        }
    }
}
