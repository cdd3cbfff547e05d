// SPDX-License-Identifier: Apache-2.0
package io.backstep.target;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.function.LongSupplier;

import io.backstep.core.BackstepException;
import io.backstep.core.BackstepException.Reason;
import io.backstep.core.Target;
import io.backstep.core.TargetEvent;
import io.backstep.core.TargetEvent.Kind;
import io.backstep.target.FaultyTarget.Failure;
import io.backstep.target.Shadow.Moment;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** What every target promises to whoever captures it and rolls it back. */
@Timeout(120)
public abstract class TargetContractTest {
    private static final long INTERVAL_NS = 5_000_000;
    static final long LONG_NS = 60_000_000_000L;

    protected final TargetEvent event = new TargetEvent();
    protected Target target;
    Shadow shadow;

    /**
     * A target that was started and stands. Left to itself it writes pages all the time.
     */
    protected abstract Target open() throws Exception;

    /** The pages of the standing target that are not all zero, read by other means than the target's. */
    protected abstract SortedMap<Long, byte[]> image();

    /** Those of them that have content of their own. */
    protected abstract SortedMap<Long, byte[]> ownPages();

    /** Does all of the program stand? */
    protected abstract boolean isStanding();

    /** The clock of the deadlines. */
    protected abstract LongSupplier clock();

    /** After the target was let go: checks that it goes on rightly. */
    protected abstract void assertEndsWellAlone() throws Exception;

    /** After the target and all states were closed: checks that none of its descriptors, memory or states are left. */
    protected abstract void assertNothingIsLeft();

    @BeforeEach
    void openTarget() throws Exception {
        target = open();
        shadow = new Shadow(target, this::ownPagesIfStanding);
    }

    @AfterEach
    void closeTarget() {
        if (shadow != null) {
            shadow.close();
        }
        if (target != null) {
            target.kill();
            target.close();
        }
        assertNothingIsLeft();
    }

    private SortedMap<Long, byte[]> ownPagesIfStanding() {
        return isStanding() ? ownPages() : null;
    }

    void runOn() {
        target.resume();
        target.await(clock().getAsLong() + INTERVAL_NS, event);
        assertEquals(Kind.NONE, event.kind(), event.detail());
    }

    void runOnAndHalt() {
        runOn();
        target.halt();
    }

    /** Begins a capture without frames and lets it be, when the program has written something. */
    private void giveUpACapture() {
        runOn();
        shadow.frames(0);
        shadow.predictAll();
        while (shadow.tryCapture()) {
            shadow.moment();
            runOn();
        }
        target.abandonCapture();
        shadow.predictNothing();
    }

    protected Reason reasonOf(Runnable action) {
        return assertThrows(BackstepException.class, action::run).reason();
    }

    void assertAllTold() {
        assertNull(shadow.differenceFrom(ownPages()));
    }

    private static Set<Long> differing(SortedMap<Long, byte[]> a, SortedMap<Long, byte[]> b) {
        Set<Long> pages = new HashSet<>(a.keySet());
        pages.addAll(b.keySet());
        pages.removeIf(page -> Arrays.equals(a.get(page), b.get(page)));
        return pages;
    }

    private static void assertSame(SortedMap<Long, byte[]> expected, SortedMap<Long, byte[]> found) {
        assertEquals(Set.of(), differing(expected, found), "pages that differ");
    }

    /* ---- captures ---- */

    @Test
    void shouldGiveAllOfTheMemoryWithTheFirstCapture() {
        shadow.capture();

        assertAllTold();
        assertTrue(shadow.lastCapture().trackedPages() >= shadow.pages().size());
    }

    @Test
    void shouldGiveEveryPageThatWasWrittenSinceTheLastCapture() {
        shadow.capture();
        int written = 0;
        for (int i = 0; i < 20; i++) {
            SortedMap<Long, byte[]> before = image();
            runOnAndHalt();

            shadow.capture();

            boolean nothingTold =
                    shadow.lastCapture().pages().isEmpty() && shadow.lastCapture().saved().pages().isEmpty();
            assertEquals(nothingTold, nothingTold && differing(before, image()).isEmpty());
            written += nothingTold ? 0 : 1; // a busy machine may not let it run in each interval
            assertAllTold();
        }
        assertTrue(written > 0, "the program does not run");
    }

    @Test
    void shouldGivePagesInAscendingOrder() {
        for (int i = 0; i < 5; i++) {
            shadow.capture();
            for (long k = 1; k < shadow.lastCapture().pages().size(); k++) {
                assertTrue(shadow.lastCapture().pages().get(k - 1) < shadow.lastCapture().pages().get(k));
            }
            runOnAndHalt();
        }
    }

    @Test
    void shouldGiveNothingOfATargetThatStoodSinceTheLastCapture() {
        shadow.capture();
        runOnAndHalt();
        shadow.capture();

        shadow.capture();

        assertEquals(0, shadow.lastCapture().pages().size());
        assertEquals(0, shadow.lastCapture().saved().pages().size());
        assertTrue(shadow.lastCapture().dropped().isEmpty());
    }

    @Test
    void shouldTellWhenItStoodAndForHowLong() {
        shadow.capture();
        target.resume();
        target.await(clock().getAsLong() + INTERVAL_NS, event);
        long before = clock().getAsLong();

        shadow.capture();

        long passed = clock().getAsLong() - before;
        assertTrue(shadow.lastCapture().atNs() - before >= 0 && shadow.lastCapture().atNs() - before <= passed);
        assertTrue(shadow.lastCapture().pauseNs() > 0 && shadow.lastCapture().pauseNs() <= passed);
    }

    @Test
    void shouldStayHaltedThroughACaptureAndRunThroughOneOtherwise() {
        shadow.capture();
        assertTrue(isStanding());

        runOn();
        shadow.capture();
        assertFalse(isStanding());
    }

    @Test
    protected void shouldCopyWhileItRuns() {
        target.resume();
        shadow.lastCapture().live(true);
        while (!target.capture(shadow.lastCapture())) {
            shadow.frames(shadow.lastCapture().framesNeeded());
        }
        assertFalse(isStanding());
        assertFalse(shadow.lastCapture().pages().isEmpty());
        shadow.moment();
        shadow.lastCapture().live(false);

        target.halt();
        shadow.capture();

        assertAllTold();
    }

    /** What is lifted counts as written, but where the target saves what is written by itself. */
    @Test
    void shouldHavePagesWritableThatWereNotWritten() {
        target.halt();
        shadow.capture();
        shadow.capture();
        long page = shadow.pages().lastKey();
        boolean copies = target.pool() == null;
        assertEquals(0, shadow.lastCapture().pages().size());

        shadow.liftOnly(page);
        shadow.capture();
        assertEquals(0, shadow.lastCapture().pages().size());
        assertEquals(copies, shadow.lastCapture().predicted().contains(page));

        shadow.liftNothing();
        shadow.predictNothing();
        shadow.capture();
        assertEquals(copies ? 1 : 0, shadow.lastCapture().pages().size());
        assertAllTold();

        shadow.capture();
        assertEquals(0, shadow.lastCapture().pages().size(), "it is protected again");
    }

    /* ---- too few frames, and captures that fail ---- */

    @Test
    void shouldStandAndTellHowManyFramesItNeeds() {
        shadow.frames(0);
        shadow.predictAll();

        assertFalse(shadow.tryCapture());

        assertTrue(isStanding());
        assertTrue(shadow.lastCapture().framesNeeded() > 0);
        shadow.frames(shadow.lastCapture().framesNeeded());
        assertTrue(shadow.tryCapture());
        shadow.moment();
        assertAllTold();
    }

    @Test
    void shouldRunOnAndForgetNoPageWhenACaptureIsGivenUp() {
        shadow.capture();
        for (int i = 0; i < 10; i++) {
            giveUpACapture();

            assertFalse(isStanding());
            target.await(clock().getAsLong() + INTERVAL_NS, event);
        }

        target.halt();
        shadow.capture();

        assertAllTold();
    }

    @Test
    void shouldForgetNoPageWhenCapturesFail() {
        FaultyTarget faulty = new FaultyTarget(target, 42);
        target = faulty;
        shadow.close();
        shadow = new Shadow(faulty, this::ownPagesIfStanding);
        faulty.rate(Failure.CAPTURE_FAILS, 0.5);
        faulty.rate(Failure.CAPTURE_SHORT, 0.3);
        for (int i = 0; i < 30; i++) {
            try {
                shadow.capture();
                assertAllTold();
            } catch (BackstepException e) {
                assertEquals(Reason.FAILED, e.reason());
            }
            runOnAndHalt();
        }
        faulty.rate(Failure.CAPTURE_FAILS, 0);

        shadow.capture();

        assertAllTold();
        assertTrue(faulty.failures() > 10, faulty.failures() + " failures");
    }

    /* ---- rollbacks ---- */

    @Test
    void shouldRestoreEveryByteOfTheNewestCheckpoint() {
        Moment newest = shadow.capture();
        SortedMap<Long, byte[]> image = image();
        runOnAndHalt();

        shadow.rollBack(newest);

        assertTrue(isStanding());
        assertSame(image, image());
    }

    @Test
    void shouldRestoreEveryByteOfAnyCheckpoint() {
        for (int age = 1; age <= 4; age++) {
            List<Moment> moments = new ArrayList<>();
            List<SortedMap<Long, byte[]>> images = new ArrayList<>();
            for (int i = 0; i < 4; i++) {
                moments.add(shadow.capture());
                images.add(image());
                runOnAndHalt();
            }
            runOn();

            shadow.rollBack(moments.get(4 - age));

            assertSame(images.get(4 - age), image());
        }
    }

    @Test
    void shouldGoBackToTheSameCheckpointAgainAndAgain() {
        Moment moment = shadow.capture();
        SortedMap<Long, byte[]> image = image();
        for (int i = 0; i < 10; i++) {
            runOn();
            shadow.rollBack(moment);
            assertSame(image, image());
        }
    }

    @Test
    void shouldGoBackWithoutHavingRun() {
        Moment moment = shadow.capture();
        SortedMap<Long, byte[]> image = image();

        shadow.rollBack(moment);

        assertSame(image, image());
    }

    @Test
    void shouldGoBackBehindACaptureThatWasGivenUp() {
        Moment moment = shadow.capture();
        SortedMap<Long, byte[]> image = image();
        giveUpACapture();
        target.await(clock().getAsLong() + INTERVAL_NS, event);

        shadow.rollBack(moment);

        assertSame(image, image());
    }

    @Test
    void shouldTrackOnAfterARollback() {
        for (int i = 0; i < 10; i++) {
            Moment moment = shadow.capture();
            runOn();
            shadow.rollBack(moment);
            shadow.capture();
            for (long k = 0; k < shadow.lastCapture().pages().size(); k++) {
                assertFalse(moment.pages.containsKey(shadow.lastCapture().pages().get(k)), "a rollback counts as a write");
            }
            runOnAndHalt();
            shadow.capture();
            assertAllTold();
        }
    }

    /* ---- standing and running ---- */

    @Test
    void shouldStandWhenStartedAndHalted() {
        assertTrue(isStanding());
        target.resume();
        assertFalse(isStanding());
        target.halt();
        target.halt();
        assertTrue(isStanding());
        SortedMap<Long, byte[]> image = image();
        assertSame(image, image());
        target.resume();
        assertFalse(isStanding());
    }

    @Test
    void shouldEndAWaitAtItsDeadline() {
        target.resume();
        long deadline = clock().getAsLong() + INTERVAL_NS;

        target.await(deadline, event);

        assertEquals(Kind.NONE, event.kind());
        assertTrue(clock().getAsLong() - deadline >= 0);
    }

    @Test
    void shouldEndTheNextWaitWhenWoken() {
        target.resume();
        long deadline = clock().getAsLong() + LONG_NS;
        target.wake();

        target.await(deadline, event);

        assertEquals(Kind.NONE, event.kind());
        assertTrue(clock().getAsLong() - deadline < 0);
    }

    /* ---- states ---- */

    @Test
    void shouldFillAStateAgainAfterItWasCleared() {
        Moment old = shadow.capture();
        runOnAndHalt();
        old.state.clear();
        shadow.lastCapture().state(old.state);
        Moment moment = shadow.capture();
        SortedMap<Long, byte[]> image = image();
        runOn();

        shadow.rollBack(moment);

        assertSame(image, image());
    }

    @Test
    void shouldCloseAndClearStatesAtAnyTime() {
        Moment moment = shadow.capture();
        target.newState().close();
        moment.state.clear();
        moment.state.clear();
        moment.state.close();
        moment.state.close();

        runOnAndHalt();
        shadow.capture();
        assertAllTold();
    }

    @Test
    void shouldCommitAndThenGoBackToWhatWasCommitted() {
        Moment moment = shadow.capture();
        target.commit(moment.state);
        SortedMap<Long, byte[]> image = image();
        runOn();
        assertTrue(target.heldBytes() >= 0);

        shadow.rollBack(moment);

        assertSame(image, image());
    }

    /* ---- the end ---- */

    @Test
    void shouldRunOnWhenItIsLetGo() throws Exception {
        Moment moment = shadow.capture();
        runOn();
        shadow.rollBack(moment);

        target.close();
        target.close();

        target = null;
        assertEndsWellAlone();
    }

    /* ---- for people ---- */

    @Test
    void shouldHaveANameAndAKind() {
        assertTrue(Set.of("process", "region", "vm", "fake").contains(target.kind()), target.kind());
        assertFalse(target.name().isBlank());
    }
}
