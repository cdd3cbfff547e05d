// SPDX-License-Identifier: Apache-2.0
package io.backstep.target.region;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;

import org.agrona.UnsafeApi;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(30)
class ManyWritersQuiescenceTest {
    private static final int CACHE_LINE = 64;
    private final ManyWritersQuiescence quiescence = new ManyWritersQuiescence();

    private static long inMs(long ms) {
        return System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(ms);
    }

    @Test
    void shouldNotWaitForWritersOutside() {
        assertTrue(quiescence.stop(inMs(0)));
        quiescence.go();
        quiescence.newWriter();
        assertTrue(quiescence.stop(inMs(0)));
    }

    @Test
    void shouldGiveUpOnAWriterThatStaysInsideAndLetTheOthersIn() {
        ManyWritersQuiescence.Writer inside = quiescence.newWriter();
        ManyWritersQuiescence.Writer other = quiescence.newWriter();
        inside.enter();
        assertFalse(quiescence.stop(inMs(5)));
        other.enter();
        other.exit();
        inside.exit();
        assertTrue(quiescence.stop(inMs(0)));
    }

    @Test
    void shouldKeepAWriterOutDuringAStop() throws InterruptedException {
        ManyWritersQuiescence.Writer writer = quiescence.newWriter();
        assertTrue(quiescence.stop(inMs(0)));
        Blocked entering = new Blocked(writer::enter);
        entering.assertWaits();
        assertFalse(writer.isInside(), "it waits outside");
        quiescence.go();
        entering.assertGoesOn();
        assertTrue(writer.isInside());
    }

    @Test
    void shouldKeepAWriterOutThatRegistersDuringAStop() throws InterruptedException {
        assertTrue(quiescence.stop(inMs(0)));
        ManyWritersQuiescence.Writer writer = quiescence.newWriter();
        Blocked entering = new Blocked(writer::enter);
        entering.assertWaits();
        quiescence.go();
        entering.assertGoesOn();
        assertFalse(quiescence.stop(inMs(5)), "it is waited for from now on");
    }

    @Test
    void shouldWaitForEveryWriter() throws InterruptedException {
        List<ManyWritersQuiescence.Writer> writers = new ArrayList<>();
        for (int i = 0; i < 5; i++) {
            writers.add(quiescence.newWriter());
            writers.get(i).enter();
        }
        Blocked stop = new Blocked(() -> assertTrue(quiescence.stop(inMs(20_000))));
        for (ManyWritersQuiescence.Writer writer : writers) {
            stop.assertWaits();
            writer.exit();
        }
        stop.assertGoesOn();
    }

    @Test
    void shouldNotWaitForAClosedWriter() {
        ManyWritersQuiescence.Writer writer = quiescence.newWriter();
        writer.enter();
        writer.exit();
        writer.close();
        writer.close();
        assertTrue(quiescence.stop(inMs(0)));
    }

    @Test
    void shouldKeepAWritersFieldOutOfItsNeighboursCacheLines() throws NoSuchFieldException {
        long inside = UnsafeApi.objectFieldOffset(ManyWritersQuiescence.Place.class.getDeclaredField("inside"));
        long end = UnsafeApi.objectFieldOffset(ManyWritersQuiescence.Writer.class.getDeclaredField("q15"));
        assertTrue(inside >= CACHE_LINE, "it lies at " + inside);
        assertTrue(end - inside >= CACHE_LINE, "there are only " + (end - inside) + " bytes behind it");
    }

    /** Plain fields that each writer keeps equal while outside are seen equal in each stop, and written there. */
    @Test
    void shouldSeeAllWritersOutsideOnly() throws InterruptedException {
        long[][] twins = new long[4][2];
        boolean[] end = {false};
        List<Thread> threads = new ArrayList<>();
        for (long[] own : twins) {
            threads.add(new Thread(() -> write(own, end)));
        }
        threads.forEach(Thread::start);
        for (int i = 0; i < 1_000; i++) {
            assertTrue(quiescence.stop(inMs(20_000)));
            for (long[] own : twins) {
                assertEquals(own[0], own[1]);
                own[0] = own[1] = -i;
            }
            end[0] = i == 999;
            quiescence.go();
        }
        for (Thread thread : threads) {
            thread.join();
        }
    }

    private void write(long[] own, boolean[] end) {
        for (boolean goOn = true; goOn;) {
            try (ManyWritersQuiescence.Writer writer = quiescence.newWriter()) { // they come and go
                for (int i = 0; goOn && i < 10_000; i++) {
                    writer.enter();
                    own[0]++;
                    own[1]++;
                    goOn = !end[0];
                    writer.exit();
                }
            }
        }
    }
}
