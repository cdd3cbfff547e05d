// SPDX-License-Identifier: Apache-2.0
package io.backstep;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.BooleanSupplier;

import io.backstep.core.BackstepException;
import io.backstep.core.BackstepException.Reason;
import io.backstep.engine.EngineListener;
import io.backstep.engine.RollbackRecord;
import io.backstep.inject.FaultSpec;
import io.backstep.inject.InjectionPlan;
import io.backstep.target.process.Victim;
import io.backstep.target.region.ChecksumDetector;
import io.backstep.target.region.Detector;
import io.backstep.target.region.InvariantDetector;
import io.backstep.target.region.Problem;
import io.backstep.target.region.Region;
import io.backstep.target.region.RegionListener;
import io.backstep.target.region.SingleWriterQuiescence;
import org.agrona.DirectBuffer;
import org.agrona.MutableDirectBuffer;
import org.agrona.concurrent.Agent;
import org.agrona.concurrent.AtomicBuffer;
import org.agrona.concurrent.UnsafeBuffer;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(60)
class BackstepRegionTest {
    private static final long MIB = 1 << 20;

    @BeforeAll
    static void assumeProtection() {
        Victim.assumeProtection();
    }

    private static Backstep.Context context() {
        return new Backstep.Context().keep(5);
    }

    /** Hands back how far the application had come. */
    private static final class Progress implements RegionListener {
        long position;
        final List<String> calls = new ArrayList<>();

        @Override
        public int onCheckpoint(MutableDirectBuffer record) {
            record.putLong(0, position);
            return Long.BYTES;
        }

        @Override
        public void beforeRollback() {
            calls.add("before");
        }

        @Override
        public void afterRollback(DirectBuffer record, int length) {
            calls.add("after");
            position = record.getLong(0);
        }
    }

    @Test
    void shouldGoBackToTheLastCheckpoint() {
        try (Backstep backstep = Backstep.launch(context().region("book", MIB))) {
            MutableDirectBuffer book = backstep.region("book").buffer();
            book.putLong(8, 1);
            backstep.checkpoint();
            book.putLong(8, 2);
            book.putLong(70_000, 3);

            backstep.rollback();

            assertEquals(1, book.getLong(8));
            assertEquals(0, book.getLong(70_000));
        }
    }

    @Test
    void shouldGoBackToAnyKeptCheckpointWithItsRecord() {
        Progress progress = new Progress();
        try (Backstep backstep = Backstep.launch(context().region("a", MIB).region("b", MIB).regionListener(progress))) {
            MutableDirectBuffer a = backstep.region("a").buffer();
            MutableDirectBuffer b = backstep.region("b").buffer();
            long[] ids = new long[4];
            for (int i = 0; i < ids.length; i++) {
                a.putLong(8, i);
                b.putLong(4096 * i, i + 100);
                progress.position = i;
                ids[i] = backstep.checkpoint();
            }

            assertEquals(ids[1], backstep.rollbackTo(ids[1]).toCheckpoint());

            assertEquals(1, a.getLong(8));
            assertEquals(101, b.getLong(4096));
            assertEquals(0, b.getLong(2 * 4096));
            assertEquals(1, progress.position);
            assertEquals(List.of("before", "after"), progress.calls);
            BackstepException gone = assertThrows(BackstepException.class, () -> backstep.rollbackTo(ids[3]));
            assertTrue(gone.getMessage().contains("is not kept"), gone.getMessage());
        }
    }

    @Test
    void shouldRollBackWhatADetectorFinds() {
        Progress progress = new Progress();
        boolean[] isWrong = {false};
        Detector detector = new Detector() {
            @Override
            public String name() {
                return "sum";
            }

            @Override
            public Problem check() {
                return isWrong[0] && progress.calls.isEmpty() ? Problem.now("wrong sum", "the sum is wrong") : null;
            }
        };
        try (Backstep backstep = Backstep.launch(
                context().region("a", MIB).regionListener(progress).detector(detector, 2))) {
            MutableDirectBuffer a = backstep.region("a").buffer();
            a.putLong(0, 1);
            long good = backstep.checkpoint();
            isWrong[0] = true;
            a.putLong(0, 2);

            long newest = backstep.checkpoint();
            if (newest != good) {
                newest = backstep.checkpoint(); // it is asked before every second one
            }

            assertTrue(newest <= good + 1, newest + " after " + good);
            assertEquals(List.of("before", "after"), progress.calls);
            assertEquals(1, backstep.engine().status().rollbacks());
        }
    }

    /** A flipped bit in a page that nobody writes stays, whatever is restored. */
    @Test
    void shouldTryEachCheckpointOnceAndGiveUpOnceWhileADetectorIsNotContent() {
        AtomicBoolean isWrong = new AtomicBoolean();
        List<String> heard = new ArrayList<>();
        EngineListener listener = new EngineListener() {
            @Override
            public void rolledBack(RollbackRecord rollback) {
                heard.add("checkpoint " + rollback.toCheckpoint());
            }

            @Override
            public void gaveUp(String error) {
                heard.add("gave up");
            }
        };
        try (Backstep backstep = Backstep.launch(context().keep(3).region("a", MIB).listener(listener)
                .detector(new InvariantDetector("sum", new UnsafeBuffer(new byte[0]), view -> !isWrong.get()), 1))) {
            backstep.checkpoint();
            backstep.checkpoint();
            isWrong.set(true);
            for (int i = 0; i < 10; i++) {
                backstep.checkpoint();
            }
            assertEquals(List.of("checkpoint 3", "checkpoint 2", "checkpoint 1", "gave up"), heard);

            isWrong.set(false);
            assertEquals(4, backstep.checkpoint());
            isWrong.set(true);
            backstep.checkpoint();
            assertEquals("checkpoint 4", heard.get(4));
        }
    }

    @Test
    void shouldKeepTheIntervalByItself() throws InterruptedException {
        SingleWriterQuiescence quiescence = new SingleWriterQuiescence();
        Progress progress = new Progress();
        try (Backstep backstep = Backstep.launch(context().region("a", 4 * MIB).intervalNs(1_000_000)
                .quiescence(quiescence).regionListener(progress))) {
            MutableDirectBuffer a = backstep.region("a").buffer();
            long[] rollbacks = {0};
            while (progress.position < 3_000_000) { // again if it was rolled back when it had just ended
                Thread writer = new Thread(() -> {
                    for (; progress.position < 3_000_000; progress.position++) {
                        quiescence.quiescentState();
                        int index = (int) (progress.position * 40_503 % (a.capacity() / 8)) * 8;
                        a.putLong(index, a.getLong(index) + progress.position);
                    }
                    quiescence.offline();
                });
                writer.start();
                while (writer.isAlive() && rollbacks[0] < 10) {
                    writer.join(10);
                    rollbacks[0] += isRolledBack(backstep) ? 1 : 0;
                }
                writer.join();
            }
            assertNull(backstep.failure());
            assertTrue(rollbacks[0] > 0, "it has ended too soon");
            assertEquals(expected(a.capacity()), sum(a));
        }
    }

    /** Too soon after another one it may find no checkpoint that was not tried. */
    private static boolean isRolledBack(Backstep backstep) {
        try {
            backstep.rollback();
            return true;
        } catch (BackstepException e) {
            assertEquals(Reason.REFUSED, e.reason());
            return false;
        }
    }

    private static long expected(int capacity) {
        ByteBuffer plain = ByteBuffer.allocate(capacity);
        for (long i = 0; i < 3_000_000; i++) {
            int index = (int) (i * 40_503 % (capacity / 8)) * 8;
            plain.putLong(index, plain.getLong(index) + i);
        }
        long sum = 0;
        for (int i = 0; i < capacity; i += 8) {
            sum = sum * 31 + plain.getLong(i);
        }
        return sum;
    }

    private static long sum(MutableDirectBuffer buffer) {
        long sum = 0;
        for (int i = 0; i < buffer.capacity(); i += 8) {
            sum = sum * 31 + buffer.getLong(i);
        }
        return sum;
    }

    @Test
    void shouldCaptureInADutyCycle() throws Exception {
        try (Backstep backstep = Backstep.launch(context().region("a", MIB).intervalNs(1_000_000))) {
            Agent agent = backstep.agent();
            long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(20);
            while (backstep.engine().status().kept() < 5 && System.nanoTime() < end) {
                agent.doWork();
            }
            assertEquals(5, backstep.engine().status().kept());
        }
    }

    @Test
    void shouldTreatErrorsThatTheApplicationNotices() throws Exception {
        try (Backstep backstep = Backstep.launch(context().region("a", MIB))) {
            MutableDirectBuffer a = backstep.region("a").buffer();
            a.putLong(0, 1);
            long old = backstep.checkpoint();
            long before = System.nanoTime();
            a.putLong(0, 2);
            backstep.checkpoint();

            backstep.errorNoticed("application", new Problem("late", "noticed late", before));
            while (backstep.engine().status().rollbacks() == 0) {
                backstep.agent().doWork();
            }

            assertEquals(1, a.getLong(0));
            assertEquals(old, backstep.engine().checkpoints().get(backstep.engine().checkpoints().size() - 1).id());
        }
    }

    @Test
    void shouldUndoAFaultThatIsInjectedIntoARegionByItsName() throws Exception {
        InjectionPlan plan = new InjectionPlan(List.of(FaultSpec.parse("memory:b@0ns,seed=3,noticed=0ns")));
        try (Backstep backstep = Backstep.launch(context().region("a", MIB).region("b", MIB).faults(plan)
                .intervalNs(TimeUnit.HOURS.toNanos(1)))) {
            while (backstep.engine().status().rollbacks() == 0) {
                backstep.agent().doWork();
            }

            assertTrue(backstep.engine().record("test").events().faults().get(0).where().startsWith("b 0x"));
            assertEquals(0, sum(backstep.region("b").buffer()));
        }
    }

    @Test
    void shouldProtectMoreThanTwoGibibytes() {
        long length = 3L << 30;
        try (Backstep backstep = Backstep.launch(context().region("large", length))) {
            Region large = backstep.region("large");
            var store = large.bytesStore();
            store.writeLong(length - 8, 1);
            backstep.checkpoint();
            store.writeLong(length - 8, 2);
            store.writeLong(5_000_000_000L % length, 3);

            backstep.rollback();

            assertEquals(1, store.readLong(length - 8));
            assertEquals(0, store.readLong(5_000_000_000L % length));
            assertThrows(IllegalArgumentException.class, large::buffer);
            assertEquals(1, large.buffer(length - 4096, 4096).getLong(4088));
        }
    }

    @Test
    void shouldProtectAPrivatelyMappedFile(@TempDir Path directory) throws Exception {
        Path file = Files.write(directory.resolve("data"), new byte[8192]);
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ, StandardOpenOption.WRITE)) {
            ByteBuffer mapped = channel.map(FileChannel.MapMode.PRIVATE, 0, 8192);
            try (Backstep backstep = Backstep.launch(context().region(Region.wrap("file", mapped)))) {
                MutableDirectBuffer buffer = backstep.region("file").buffer();
                buffer.putLong(0, 1);
                backstep.checkpoint();
                buffer.putLong(0, 2);
                buffer.putLong(4096, 3);

                backstep.rollback();

                assertEquals(1, buffer.getLong(0));
                assertEquals(0, buffer.getLong(4096));
            }
        }
    }

    @Test
    void shouldRefuseASharedMapping(@TempDir Path directory) throws Exception {
        Path file = Files.write(directory.resolve("data"), new byte[8192]);
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ, StandardOpenOption.WRITE)) {
            ByteBuffer mapped = channel.map(FileChannel.MapMode.READ_WRITE, 0, 8192);
            BackstepException e = assertThrows(BackstepException.class,
                    () -> Backstep.launch(context().region(Region.wrap("file", mapped))));
            assertEquals(Reason.UNFIT, e.reason());
            assertTrue(e.getMessage().contains("not private memory"), e.getMessage());
        }
    }

    @Test
    void shouldRefuseWhatIsNoRegion() {
        assertThrows(IllegalArgumentException.class, () -> Region.wrap("odd", 4097, 4096));
        assertThrows(IllegalArgumentException.class, () -> Region.wrap("heap", ByteBuffer.allocate(10_000)));
        assertThrows(IllegalArgumentException.class, () -> Region.wrap("small", ByteBuffer.allocateDirect(100)));
        assertThrows(IllegalArgumentException.class, () -> Region.map("none", 0));
        try (Region region = Region.map("a", MIB)) {
            assertThrows(IllegalArgumentException.class, () -> context().region(region).region("a", MIB));
        }
        assertThrows(IllegalArgumentException.class, () -> Backstep.launch(context()));
    }

    @Test
    void shouldSayWhenTheWritersDoNotRest() {
        SingleWriterQuiescence quiescence = new SingleWriterQuiescence();
        try (Backstep backstep = Backstep.launch(context().region("a", MIB).quiescence(quiescence)
                .intervalNs(TimeUnit.HOURS.toNanos(1)))) {
            quiescence.quiescentState(); // a writer that never comes here again

            BackstepException e = assertThrows(BackstepException.class, backstep::checkpoint);

            assertEquals(Reason.FAILED, e.reason());
            assertTrue(e.getMessage().contains("did not come to rest"), e.getMessage());
            assertEquals(1, backstep.engine().record("test").checkpoints().failed());
            quiescence.offline();
            backstep.checkpoint();
        }
    }

    @Test
    void shouldRollBackOnceTheWritersRest() {
        SingleWriterQuiescence quiescence = new SingleWriterQuiescence();
        List<String> heard = new CopyOnWriteArrayList<>();
        EngineListener listener = new EngineListener() {
            @Override
            public void warning(String text) {
                heard.add(text);
            }

            @Override
            public void rolledBack(RollbackRecord rollback) {
                heard.add(rollback.outcome().key() + " " + rollback.toCheckpoint());
            }
        };
        try (Backstep backstep = Backstep.launch(context().region("a", MIB).quiescence(quiescence).listener(listener)
                .intervalNs(TimeUnit.HOURS.toNanos(1)))) {
            backstep.checkpoint();
            quiescence.quiescentState(); // a writer that does not come here for a long time

            assertEquals(Reason.FAILED, assertThrows(BackstepException.class, backstep::rollback).reason());
            backstep.errorNoticed("application", Problem.now("wrong", "wrong"));
            await("it is told", () -> heard.size() == 1);
            await("it is tried again", () -> backstep.engine().status().errors() >= 2);
            quiescence.offline();

            await("it is rolled back", () -> heard.size() == 2);
            assertTrue(heard.get(0).startsWith("no rollback: the writers of a did not come to rest"), heard.get(0));
            assertEquals("recovered 2", heard.get(1));
        }
    }

    /** A writer that counts in the region until it is told to end. */
    private static Thread counting(MutableDirectBuffer buffer, SingleWriterQuiescence quiescence, AtomicBoolean end) {
        Thread writer = new Thread(() -> {
            while (!end.get()) {
                quiescence.quiescentState();
                buffer.putLong(0, buffer.getLong(0) + 1);
            }
            quiescence.offline();
        });
        writer.setDaemon(true);
        writer.start();
        return writer;
    }

    private static void awaitProgress(MutableDirectBuffer buffer) {
        AtomicBuffer counter = new UnsafeBuffer(buffer);
        long before = counter.getLongVolatile(0);
        await("the writer goes on", () -> counter.getLongVolatile(0) > before + 10);
    }

    private static void await(String what, BooleanSupplier condition) {
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(20);
        while (!condition.getAsBoolean()) {
            assertTrue(System.nanoTime() - end < 0, "waited in vain until " + what);
            Thread.onSpinWait();
        }
    }

    @Test
    void shouldLetTheWritersGoOnWhenTheApplicationsCallbacksFail() throws InterruptedException {
        SingleWriterQuiescence quiescence = new SingleWriterQuiescence();
        AtomicBoolean end = new AtomicBoolean();
        RegionListener unwell = new RegionListener() {
            private int checkpoints;

            @Override
            public int onCheckpoint(MutableDirectBuffer record) {
                if (checkpoints++ == 1) {
                    throw new OutOfMemoryError("as if");
                }
                return 0;
            }

            @Override
            public void beforeRollback() {
                throw new AssertionError("not now");
            }
        };
        try (Backstep backstep = Backstep.launch(context().region("a", MIB).quiescence(quiescence)
                .intervalNs(TimeUnit.HOURS.toNanos(1)).regionListener(unwell))) {
            MutableDirectBuffer a = backstep.region("a").buffer();
            Thread writer = counting(a, quiescence, end);

            assertEquals(Reason.FAILED, assertThrows(BackstepException.class, backstep::checkpoint).reason());
            awaitProgress(a);
            assertEquals(Reason.REFUSED, assertThrows(BackstepException.class, backstep::rollback).reason());
            awaitProgress(a);
            backstep.checkpoint();
            awaitProgress(a);

            assertNull(backstep.failure());
            end.set(true);
            writer.join();
        }
    }

    @Test
    void shouldLetTheWritersGoOnWhenItsOwnThreadFails() throws InterruptedException {
        SingleWriterQuiescence quiescence = new SingleWriterQuiescence();
        AtomicBoolean end = new AtomicBoolean();
        EngineListener unwell = new EngineListener() {
            @Override
            public void warning(String text) {
                throw new AssertionError("does not hear: " + text);
            }
        };
        RegionListener refusing = new RegionListener() {
            @Override
            public void beforeRollback() {
                throw new IllegalStateException("not now");
            }
        };
        try (Backstep backstep = Backstep.launch(context().region("a", MIB).quiescence(quiescence)
                .intervalNs(TimeUnit.HOURS.toNanos(1)).listener(unwell).regionListener(refusing))) {
            MutableDirectBuffer a = backstep.region("a").buffer();
            Thread writer = counting(a, quiescence, end);

            assertThrows(CompletionException.class, backstep::rollback); // a warning comes while the writers stand
            awaitProgress(a);
            await("the failure is told", () -> backstep.failure() != null);
            assertEquals(Reason.GONE, assertThrows(BackstepException.class, backstep::checkpoint).reason());

            end.set(true);
            writer.join();
        }
    }

    @Test
    void shouldLeaveRegionsMappedUntilItIsClosed() {
        SingleWriterQuiescence quiescence = new SingleWriterQuiescence();
        try (Backstep backstep = Backstep.launch(
                context().region("a", MIB).quiescence(quiescence).durationNs(1_000_000))) {
            await("it has ended", backstep.engine()::isDone);
            MutableDirectBuffer a = backstep.region("a").buffer();
            a.putLong(0, 1);
            assertEquals(1, a.getLong(0));
        }
    }

    @Test
    void shouldLeaveAForeignRegionAsItIsWhenTheLaunchFails() {
        try (Region region = Region.map("a", MIB)) {
            region.buffer().putLong(0, 1);
            assertThrows(BackstepException.class,
                    () -> Backstep.launch(context().region(region).region(Region.wrap("none", 4096, 4096))));
            assertEquals(1, region.buffer().getLong(0));
        }
    }

    @Test
    void shouldRefuseADetectorThatIsAskedTooSeldom() {
        Detector detector = new InvariantDetector("any", new UnsafeBuffer(new byte[0]), view -> true);
        try (Region region = Region.map("a", MIB)) {
            assertThrows(IllegalArgumentException.class,
                    () -> Backstep.launch(context().region(region).keep(2).detector(detector, 3)));
        }
    }

    /** The newest checkpoint has the fault, since the detector was not asked before it. */
    @Test
    void shouldGoBackBehindCheckpointsThatNoDetectorHasSeen() {
        Region region = Region.map("a", MIB);
        MutableDirectBuffer a = region.buffer();
        try (Backstep backstep = Backstep.launch(
                context().region(region).detector(new ChecksumDetector("sum", a, 0, 800), 3))) {
            backstep.checkpoint();
            long good = backstep.checkpoint(); // the third, of which the launch took one
            a.putLong(16, 1);
            backstep.checkpoint();
            backstep.checkpoint();

            assertEquals(good, backstep.checkpoint());

            assertEquals(0, a.getLong(16));
        }
    }
}
