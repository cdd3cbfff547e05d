// SPDX-License-Identifier: Apache-2.0
package io.backstep.engine;

import java.io.IOException;
import java.io.PrintWriter;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Deque;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.TreeMap;
import java.util.stream.Stream;

import io.backstep.core.BackstepException;
import io.backstep.core.BackstepException.Reason;
import io.backstep.core.Checkpoint;
import io.backstep.core.ExecutionState;
import io.backstep.core.Discipline;
import io.backstep.core.Fault;
import io.backstep.core.Target;
import io.backstep.core.TargetEvent;
import io.backstep.core.TargetEvent.Kind;
import io.backstep.predict.Prediction;
import io.backstep.predict.Prices;
import io.backstep.retain.KeepLast;
import io.backstep.store.CheckpointStore;
import io.backstep.store.Redundancy;
import io.backstep.sys.Inheritance;
import io.backstep.target.Descriptors;
import io.backstep.target.FaultyTarget;
import io.backstep.target.FaultyTarget.Failure;
import io.backstep.target.process.ProcessImage;
import io.backstep.target.process.ProcessTarget;
import io.backstep.target.process.Victim;

/**
 * Rolls victims back, at random moments to random checkpoints, and compares each time all that they hold with what they held then.
 * A program of its own, so that its standard streams are files into which held output goes. Its report says what it did, and in its
 * last line "passed" or what went wrong.
 */
final class RandomRollbacks {
    private static final long MS = 1_000_000;
    private static final long PATIENCE_NS = 120_000 * MS;
    private static final long LONGEST_INTERVAL_NS = 20 * MS;
    private static final long BUDGET_BYTES = 1L << 30;
    private static final int ROLLBACKS_PER_RUN = 30;
    private static final int MOST_KEPT = 5;
    private static final int MOST_SCRUBBED = 1_000;

    /**
     * How to start a victim.
     *
     * @param warmUpMs before the first checkpoint: what the kernel is asked for at the start (timers, handlers) is not restored
     */
    private record Plan(String name, long warmUpMs, Object... arguments) {
        List<String> command() {
            return Victim.command(name, arguments);
        }

        @Override
        public String toString() {
            return name + Arrays.toString(arguments);
        }
    }

    /** What a victim writes when nobody disturbs it. */
    private record Streams(byte[] output, byte[] error) {
    }

    private static final class Counts {
        private int runs;
        private int captures;
        private int failedCaptures;
        private int rollbacks;
        private int compared;
        private int refused;
        private long pages;
    }

    private final SplittableRandom random;
    private final Path directory;
    private final PrintWriter report;
    private final Map<String, Streams> undisturbed = new HashMap<>();
    private final Map<String, Counts> counts = new TreeMap<>();
    private final Discipline only;
    private final Redundancy onlyRedundancy;
    private Discipline discipline;
    private long outputLength;
    private long errorLength;

    private RandomRollbacks(long seed, Path directory, PrintWriter report, Discipline only, Redundancy onlyRedundancy)
            throws IOException {
        this.only = only;
        this.onlyRedundancy = onlyRedundancy;
        random = new SplittableRandom(seed);
        this.directory = directory;
        this.report = report;
    }

    /**
     * Arguments: seed, least number of rollbacks, least minutes, an empty directory, which victim, which discipline, and
     * which redundancy ("" for all).
     */
    public static void main(String[] args) throws IOException {
        Path directory = Path.of(args[3]);
        try (PrintWriter report = new PrintWriter(Files.newBufferedWriter(directory.resolve("report")), true)) {
            try {
                Discipline only = args[5].isEmpty() ? null : Discipline.valueOf(args[5].toUpperCase(Locale.ROOT));
                Redundancy redundancy = args[6].isEmpty() ? null : Redundancy.valueOf(args[6].toUpperCase(Locale.ROOT));
                RandomRollbacks rollbacks = new RandomRollbacks(Long.parseLong(args[0]), directory, report, only, redundancy);
                rollbacks.run(Integer.parseInt(args[1]), Double.parseDouble(args[2]), args[4]);
                report.println("passed");
            } catch (Throwable e) {
                e.printStackTrace(report);
                report.println("failed");
                Runtime.getRuntime().halt(1);
            }
        }
    }

    private List<Plan> plans(String only) {
        int seed = random.nextInt(1, 1_000_000);
        return Stream.of(
                new Plan("writers", 0, seed, 1_200, 4),
                new Plan("threads", 0, seed, 1_200),
                new Plan("simd", 0, seed, 1_000),
                new Plan("blocking", 30, seed, 800),
                new Plan("layout", 0, seed, 900),
                new Plan("blocks", 0, seed, 1_000),
                new Plan("files", 0, seed, 1_800, directory.resolve("written")),
                new Plan("signals", 30, seed, 2_000),
                new Plan("server", 0, seed, 2_500)).filter(plan -> only.isEmpty() || plan.name.equals(only)).toList();
    }

    private void run(int leastRollbacks, double leastMinutes, String only) throws IOException {
        List<Plan> plans = plans(only);
        for (Plan plan : plans) {
            undisturbed.put(plan.name, runUndisturbed(plan));
        }
        long endNs = System.nanoTime() + (long) (leastMinutes * 60_000 * MS);
        Map<String, Long> descriptors = null;
        while (total() < leastRollbacks || System.nanoTime() - endNs < 0) {
            for (Plan plan : plans) {
                counts.computeIfAbsent(plan.name, name -> new Counts()).runs++;
                protect(plan, random.split());
            }
            Map<String, Long> now = openDescriptors();
            check(descriptors == null || descriptors.equals(now),
                    "descriptors are open that were not after the round before: " + now + ", before " + descriptors);
            descriptors = now;
        }
        counts.forEach((name, count) -> report.printf("%s: %d runs, %d captures and %d that were made to fail, %d rollbacks"
                + " (%d compared, %d pages on average), %d refused%n", name, count.runs, count.captures, count.failedCaptures,
                count.rollbacks, count.compared, count.pages / Math.max(1, count.compared), count.refused));
        report.println("rollbacks: " + total());
    }

    private int total() {
        return counts.values().stream().mapToInt(count -> count.rollbacks).sum();
    }

    /** What our descriptors lead to that has to do with victims, and how many there are of each. */
    private static Map<String, Long> openDescriptors() {
        Map<String, Long> kinds = new TreeMap<>();
        for (String path : Descriptors.open()) {
            boolean isOfJvm = path.endsWith(".jar") || path.startsWith("/sys/fs/cgroup/")
                    || path.equals("/proc/" + ProcessHandle.current().pid() + "/fd");
            if (!isOfJvm) {
                kinds.merge(path.replaceAll("\\d+", "N"), 1L, Long::sum);
            }
        }
        return kinds;
    }

    private static void check(boolean holds, String complaint) {
        if (!holds) {
            throw new AssertionError(complaint);
        }
    }

    private Streams runUndisturbed(Plan plan) throws IOException {
        Path output = directory.resolve("undisturbed.out");
        Path error = directory.resolve("undisturbed.err");
        check(Victim.run(output, error, plan.command()) == 0, plan + " fails by itself: " + Files.readString(error));
        return new Streams(Files.readAllBytes(output), Files.readAllBytes(error));
    }

    private void protect(Plan plan, SplittableRandom choice) throws IOException {
        discipline = choice.nextBoolean() ? Discipline.COPY : Discipline.COW;
        discipline = only == null ? discipline : only;
        if (choice.nextBoolean()) {
            runStarted(plan, choice);
        } else {
            runAttached(plan, choice);
        }
    }

    /** Its output is held, and lands in our own. */
    private void runStarted(Plan plan, SplittableRandom choice) throws IOException {
        outputLength = Files.size(directory.resolve("stdout"));
        errorLength = Files.size(directory.resolve("stderr"));
        try (Run run = new Run(plan, ProcessTarget.run(plan.command(), true, Inheritance.NONE, discipline), choice)) {
            run.toTheEnd();
        } catch (AssertionError e) {
            e.addSuppressed(new AssertionError(new String(rest("stderr", errorLength))));
            throw e;
        }
        compare(plan, new Streams(rest("stdout", outputLength), rest("stderr", errorLength)));
    }

    private byte[] rest(String name, long from) throws IOException {
        try (FileChannel file = FileChannel.open(directory.resolve(name), StandardOpenOption.READ)) {
            java.nio.ByteBuffer bytes = java.nio.ByteBuffer.allocate((int) (file.size() - from));
            while (bytes.hasRemaining() && file.read(bytes, from + bytes.position()) > 0) {
                continue;
            }
            return bytes.array();
        }
    }

    /** Its output goes to files, whose offsets and lengths are rolled back. */
    private void runAttached(Plan plan, SplittableRandom choice) throws IOException {
        Path output = directory.resolve("attached.out");
        Path error = directory.resolve("attached.err");
        try (Victim victim = Victim.start(output, error, plan.command())) {
            try (Run run = new Run(plan, ProcessTarget.attach(victim.pid(), discipline), choice)) {
                run.toTheEnd();
            }
            check(victim.awaitEnd() == 0, plan + " ended otherwise than we were told");
        } catch (AssertionError e) {
            e.addSuppressed(new AssertionError(Files.readString(error)));
            throw e;
        }
        compare(plan, new Streams(Files.readAllBytes(output), Files.readAllBytes(error)));
    }

    private void compare(Plan plan, Streams found) {
        Streams expected = undisturbed.get(plan.name);
        compare(plan + ": standard output", expected.output, found.output);
        compare(plan + ": standard error", expected.error, found.error);
    }

    private static void compare(String what, byte[] expected, byte[] found) {
        int at = Arrays.mismatch(expected, found);
        check(at < 0, what + ": " + found.length + " bytes, expected " + expected.length + ", differ from byte " + at + " on: "
                + new String(found, Math.max(0, at), Math.min(200, found.length - Math.max(0, at))));
    }

    /** One victim from its first checkpoint to its end. */
    private final class Run implements EngineListener, AutoCloseable {
        private final Plan plan;
        private final Counts count;
        private final FaultyTarget target;
        private final SplittableRandom choice;
        private final Deque<ExecutionState> states = Captures.newStateQueue();
        private final CheckpointStore store;
        private final Forecast forecast;
        private final Captures captures;
        private final Rollbacks rollbacks;
        private final TargetEvent event = new TargetEvent();
        private final Map<Long, ProcessImage> images = new HashMap<>();
        private final Map<Long, Integer> threads = new HashMap<>();
        private final List<String> history = new ArrayList<>();
        private boolean ended;

        Run(Plan plan, Target process, SplittableRandom choice) {
            this.plan = plan;
            this.choice = choice;
            count = counts.get(plan.name);
            target = new FaultyTarget(process, choice.nextLong());
            RunLog log = new RunLog();
            KeepLast retention = new KeepLast(choice.nextInt(1, MOST_KEPT + 1));
            Prediction prediction = Prediction.values()[choice.nextInt(Prediction.values().length)];
            forecast = new Forecast(prediction, new Prices(choice.nextInt(5_000), 900, 500));
            Redundancy redundancy = Redundancy.values()[choice.nextInt(Redundancy.values().length)];
            redundancy = onlyRedundancy == null ? redundancy : onlyRedundancy;
            store = new CheckpointStore(BUDGET_BYTES, redundancy, states::addLast);
            captures = new Captures(target, store, retention, forecast, log, states);
            rollbacks = new Rollbacks(target, store, log, this, System::nanoTime);
            note(discipline.key() + ", keep " + retention.count() + ", predict " + prediction.key()
                    + ", redundancy " + redundancy.key());
        }

        private void note(String what) {
            history.add(what);
        }

        void toTheEnd() {
            try {
                begin();
                for (int done = 0; done < ROLLBACKS_PER_RUN && !ended; done++) {
                    takeSome();
                    rollBack();
                }
                end();
            } catch (RuntimeException | AssertionError e) {
                int from = Math.max(0, history.size() - 40);
                throw new AssertionError(plan + " after " + String.join(", ", history.subList(from, history.size())), e);
            }
        }

        private void begin() {
            captures.prepare();
            Victim.begin(target);
            if (plan.warmUpMs > 0) {
                runFor(plan.warmUpMs * MS);
            }
            if (choice.nextBoolean()) {
                target.resume();
                captures.preCopy();
                note("copied ahead");
            }
            target.halt();
            take();
            target.rate(Failure.CAPTURE_FAILS, 0.05);
            target.rate(Failure.CAPTURE_SHORT, 0.05);
        }

        /** Lets the victim run and leaves it running. */
        private void runFor(long nanos) {
            target.resume();
            long endNs = System.nanoTime() + nanos;
            do {
                target.await(endNs, event);
                captures.stockUp();
            } while (event.kind() == Kind.NONE && System.nanoTime() - endNs < 0);
            if (event.kind() == Kind.ENDED) {
                ended = true;
            } else {
                check(event.kind() == Kind.NONE, "event " + event.kind() + " " + event.detail());
            }
        }

        private void takeSome() {
            int wanted = choice.nextInt(1, 7);
            for (int i = 0; i < wanted && !ended; i++) {
                runFor(choice.nextLong(MS, LONGEST_INTERVAL_NS));
                if (!ended) {
                    tryToTake();
                    store.scrub(choice.nextInt(MOST_SCRUBBED));
                }
            }
            if (!ended && choice.nextInt(4) != 0) {
                runFor(choice.nextLong(LONGEST_INTERVAL_NS));
                note("ran on");
            }
        }

        private void tryToTake() {
            try {
                if (choice.nextInt(5) == 0) {
                    long id = captures.take().id();
                    count.captures++;
                    note("captured " + id + " unseen");
                } else {
                    target.halt();
                    take();
                }
            } catch (BackstepException e) {
                if (e.reason() == Reason.GONE) {
                    awaitEnd();
                } else {
                    check(e.reason() == Reason.FAILED, "capture: " + e);
                    count.failedCaptures++;
                    note("capture failed");
                }
            }
        }

        /** A checkpoint of the standing victim, and what it looks like from outside. */
        private void take() {
            boolean lookFirst = choice.nextBoolean();
            ProcessImage image = lookFirst ? look() : null;
            try {
                long id = captures.take().id();
                if (image == null) {
                    image = look();
                }
                images.put(id, image);
                threads.put(id, target.faultSurface().threadCount());
                image = null;
                count.captures++;
                note("captured " + id);
            } finally {
                if (image != null) {
                    image.close();
                }
            }
        }

        private ProcessImage look() {
            return ProcessImage.of(target.pid(), choice.nextInt(3) == 0);
        }

        private void rollBack() {
            List<Checkpoint> kept = store.checkpoints();
            Checkpoint to = kept.get(choice.nextInt(kept.size()));
            try {
                if (ended || !rollbacks.to(to, 1, System.nanoTime())) {
                    count.refused += ended ? 0 : 1;
                    return;
                }
            } catch (BackstepException e) {
                check(e.reason() == Reason.GONE, "rollback to " + to.id() + ": " + e);
                awaitEnd();
                return;
            }
            count.rollbacks++;
            note("back to " + to.id());
            compareWith(to.id());
            forgetAllBut(store.checkpoints());
        }

        private void compareWith(long id) {
            ProcessImage expected = images.get(id);
            if (expected == null) {
                return;
            }
            try (ProcessImage found = look()) {
                String difference = expected.difference(found);
                check(difference == null, "after the rollback to " + id + ": " + difference);
            }
            int found = target.faultSurface().threadCount();
            check(found == threads.get(id), found + " threads after the rollback to " + id + ", then " + threads.get(id));
            count.compared++;
            count.pages += expected.pageCount();
        }

        private void forgetAllBut(List<Checkpoint> kept) {
            images.entrySet().removeIf(entry -> {
                boolean gone = kept.stream().noneMatch(checkpoint -> checkpoint.id() == entry.getKey());
                if (gone) {
                    entry.getValue().close();
                }
                return gone;
            });
        }

        private void end() {
            check(store.integrity().broken() == 0, "nobody struck, but " + store.integrity());
            if (!ended) {
                target.resume();
                awaitEnd();
            }
            check(event.exitSignal() == null && event.exitCode() == 0,
                    "ended with " + event.exitCode() + ", signal " + event.exitSignal());
        }

        private void awaitEnd() {
            long endNs = System.nanoTime() + PATIENCE_NS;
            do {
                target.await(endNs, event);
                captures.stockUp();
            } while (event.kind() == Kind.NONE && System.nanoTime() - endNs < 0);
            check(event.kind() == Kind.ENDED, "event " + event.kind() + " " + event.detail());
            ended = true;
        }

        @Override
        public void warning(String text) {
            note(text);
            report.println(plan.name + ": " + text);
        }

        @Override
        public void faultInjected(Fault fault) {
        }

        @Override
        public void errorDetected(DetectionRecord detection, String detail) {
        }

        @Override
        public void rolledBack(RollbackRecord rollback) {
        }

        @Override
        public void gaveUp(String error) {
        }

        @Override
        public void close() {
            if (!ended) {
                target.kill();
            }
            target.close();
            forgetAllBut(List.of());
            store.close();
            captures.close();
            forecast.close();
            rollbacks.close();
        }
    }
}
