// SPDX-License-Identifier: Apache-2.0
package io.backstep.target.region;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.concurrent.TimeUnit;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(30)
class SingleWriterQuiescenceTest {
    private final SingleWriterQuiescence quiescence = new SingleWriterQuiescence();

    private static long inMs(long ms) {
        return System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(ms);
    }

    @Test
    void shouldNotWaitForAWriterThatHasNotBegun() {
        assertTrue(quiescence.stop(inMs(0)));
    }

    @Test
    void shouldNotWaitForAWriterThatIsOffline() {
        quiescence.quiescentState();
        quiescence.offline();
        assertTrue(quiescence.stop(inMs(0)));
    }

    @Test
    void shouldGiveUpOnAWriterThatDoesNotRest() {
        quiescence.quiescentState();
        assertFalse(quiescence.stop(inMs(5)));
        quiescence.quiescentState(); // goes on as if nothing had been asked
        assertFalse(quiescence.stop(inMs(5)));
    }

    @Test
    void shouldStopAWriterThatComesOnlineMeanwhile() throws InterruptedException {
        assertTrue(quiescence.stop(inMs(0)));
        Blocked writer = new Blocked(quiescence::online);
        writer.assertWaits();
        quiescence.go();
        writer.assertGoesOn();
        assertFalse(quiescence.stop(inMs(5)), "it is online now");
    }

    @Test
    void shouldStopAWriterAtItsFirstQuiescentState() throws InterruptedException {
        assertTrue(quiescence.stop(inMs(0)));
        Blocked writer = new Blocked(quiescence::quiescentState);
        writer.assertWaits();
        quiescence.go();
        writer.assertGoesOn();
    }

    @Test
    void shouldHaveGoWithoutEffectWhenAllMayWrite() {
        quiescence.quiescentState();
        quiescence.go();
        quiescence.go();
        quiescence.quiescentState();
        assertFalse(quiescence.stop(inMs(5)));
    }

    @Test
    void shouldStayStoppedWhenStoppedTwice() throws InterruptedException {
        assertTrue(quiescence.stop(inMs(0)));
        assertTrue(quiescence.stop(inMs(0)));
        Blocked writer = new Blocked(quiescence::online);
        writer.assertWaits();
        quiescence.go();
        writer.assertGoesOn();
    }

    @Test
    void shouldKeepAnInterruptedWriterWaiting() throws InterruptedException {
        assertTrue(quiescence.stop(inMs(0)));
        Blocked writer = new Blocked(quiescence::online);
        writer.interrupt();
        writer.assertWaits();
        quiescence.go();
        writer.assertGoesOn();
    }

    /** Plain fields that the writer keeps equal outside of its rests are equal in each of them, and written there. */
    @Test
    void shouldSeeTheWriterAtRestOnly() throws InterruptedException {
        long[] twins = new long[2];
        boolean[] end = {false};
        Thread writer = new Thread(() -> {
            for (long cycle = 1; !end[0]; cycle++) { // a rest is where the end is seen, too
                if (cycle % 1000 == 0) {
                    quiescence.offline();
                    quiescence.online();
                } else {
                    quiescence.quiescentState();
                }
                twins[0]++;
                twins[1]++;
            }
            quiescence.offline();
        });
        quiescence.quiescentState();
        writer.start();
        for (int i = 0; i < 2_000; i++) {
            assertTrue(quiescence.stop(inMs(20_000)));
            assertEquals(twins[0], twins[1]);
            twins[0] = twins[1] = -i;
            end[0] = i == 1_999;
            quiescence.go();
        }
        writer.join();
    }
}
