// SPDX-License-Identifier: Apache-2.0
package io.backstep.store;

import static io.backstep.store.ModelTarget.NOTHING_SAVED;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.backstep.core.Capture;
import io.backstep.core.Checkpoint;
import io.backstep.core.ExecutionState;
import io.backstep.core.LongVector;
import io.backstep.core.PageRanges;
import io.backstep.core.PageWrites;
import io.backstep.core.Pages;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class CheckpointStoreTest {
    private static final long BUDGET_BYTES = 32L << 20;

    private final List<ExecutionState> recycled = new ArrayList<>();
    private final CheckpointStore store = new CheckpointStore(BUDGET_BYTES, recycled::add);
    private final Capture capture = new Capture();
    private final PageRanges written = new PageRanges();
    private final PageWrites writes = new PageWrites();
    private final ModelTarget target = new ModelTarget();
    private long lastId;

    @AfterEach
    void shouldHoldEveryCheckpointAndLoseNoFrame() {
        target.assertHeldBy(store);
        target.assertFramesAccountedFor(store, capture);
        store.close();
        assertEquals(0, store.arena().bytes());
        capture.close();
        written.close();
        writes.close();
        target.close();
    }

    @Test
    void shouldSupplyUpToTheCountAskedFor() {
        assertTrue(store.supply(capture.frames(), 10));
        assertTrue(store.supply(capture.frames(), 15));
        assertTrue(store.supply(capture.frames(), 3));

        assertEquals(15, capture.frames().size());
    }

    @Test
    void shouldKeepWhatTheVectorHasWhenTheBudgetIsExhausted() {
        assertTrue(store.supply(capture.frames(), 1_000));

        assertFalse(store.supply(capture.frames(), BUDGET_BYTES / Pages.PAGE_SIZE));

        assertEquals(1_000, capture.frames().size());
        assertTrue(store.bytes() <= BUDGET_BYTES);
    }

    @Test
    void shouldSupplyFramesInTheOrderOfTheirAddresses() {
        LongVector frames = capture.frames();
        assertTrue(store.supply(frames, 900));
        for (long i = 0; i < 450; i++) {
            long other = frames.get(i);
            frames.set(i, frames.get(899 - i));
            frames.set(899 - i, other);
        }

        long free = store.arena().freeFrames();

        store.takeBack(frames);

        assertEquals(free + 900, store.arena().freeFrames());
        assertTrue(store.supply(frames, 900));
        for (long i = 1; i < 900; i++) {
            assertTrue(frames.get(i - 1) < frames.get(i), "frame " + i);
        }
    }

    @Test
    void shouldSupplyAgainAfterADropWhenTheBudgetWasExhausted() {
        target.write(0, 3_000);
        Checkpoint first = checkpoint();
        target.write(0, 3_000);
        checkpoint();
        target.write(0, 3_000);
        assertFalse(store.supply(capture.frames(), 3_000));

        store.drop(first);
        target.dropped(first);

        assertTrue(store.supply(capture.frames(), 3_000));
        assertTrue(store.peakBytes() <= BUDGET_BYTES);
    }

    @Test
    void shouldPublishWhatWasSuppliedEvenIfTablesOverdrawTheBudget() {
        CheckpointStore tight = new CheckpointStore(100 * Pages.PAGE_SIZE, recycled::add);
        try (tight; Capture scattered = new Capture(); ModelTarget sparse = new ModelTarget()) {
            for (long i = 0; i < 90; i++) {
                sparse.write(i << 30);
            }
            assertTrue(tight.supply(scattered.frames(), 90));
            sparse.capture(scattered);

            sparse.published(tight.publish(scattered.state(new CountedState()), 1));

            sparse.assertHeldBy(tight);
            sparse.assertFramesAccountedFor(tight, scattered);
            assertTrue(tight.bytes() > tight.budgetBytes());
            assertEquals(tight.bytes(), tight.peakBytes());
            assertFalse(tight.supply(scattered.frames(), 100));
        }
    }

    @Test
    void shouldTakeOnlyTheUsedFramesOffTheVector() {
        target.write(0, 5);
        store.supply(capture.frames(), 8);
        long sixth = capture.frames().get(5);

        checkpoint();

        assertEquals(3, capture.frames().size());
        assertEquals(sixth, capture.frames().get(0));
    }

    @Test
    void shouldCarryIdTimeAndStateIntoTheCheckpoint() {
        CountedState state = new CountedState();
        capture.clearResults();
        capture.atNs(77);

        Checkpoint checkpoint = store.publish(capture.state(state), 12);
        target.published(checkpoint);

        assertEquals(12, checkpoint.id());
        assertEquals(77, checkpoint.atNs());
        assertSame(state, checkpoint.state());
        assertSame(checkpoint, store.newest());
    }

    @Test
    void shouldLeaveADroppedCheckpointAsItWasUntilTheNextPublish() {
        Checkpoint first = checkpoint();
        ExecutionState state = first.state();
        checkpoint();

        drop(first);

        assertEquals(1, first.id());
        assertSame(state, first.state());
        assertThrows(IllegalArgumentException.class, () -> store.drop(first));
        assertSame(first, checkpoint());
    }

    @Test
    void shouldHaveNoNewestAtFirst() {
        assertNull(store.newest());
        assertTrue(store.checkpoints().isEmpty());
    }

    @Test
    void shouldPublishWithNothingDirty() {
        target.write(0, 5);
        Checkpoint first = checkpoint();

        Checkpoint second = checkpoint();

        assertEquals(List.of(first, second), store.checkpoints());
        assertEquals(5, store.arena().usedFrames() - store.mirror().leaves());
        rollBack(first);
        assertEquals(0, writes.pages().size() + writes.dropped().size());
    }

    @Test
    void shouldKeepNoLogBeforeTheFirstCheckpoint() {
        target.write(0, 5);
        checkpoint();

        assertEquals(0, store.undoBytes());
    }

    @Test
    void shouldNotLetItsListOfCheckpointsBeChanged() {
        checkpoint();

        assertThrows(UnsupportedOperationException.class, () -> store.checkpoints().clear());
    }

    @Test
    void shouldRefuseAnIdThatIsNotHigher() {
        checkpoint();
        capture.clearResults();

        assertThrows(IllegalArgumentException.class, () -> store.publish(capture.state(new CountedState()), lastId));
    }

    @Test
    void shouldLeaveEverythingAsItWasWhenAPublishIsRefused() {
        target.write(0, 5);
        checkpoint();
        target.write(2, 4);
        store.supply(capture.frames(), 2);
        target.capture(capture);
        long frame = capture.frames().removeLast();

        assertThrows(IllegalArgumentException.class,
                () -> store.publish(capture.state(new CountedState()), lastId + 1));
        assertThrows(NullPointerException.class, () -> store.publish(capture.state(null), lastId + 1));

        assertEquals(1, store.checkpoints().size());
        capture.frames().add(frame);
        target.published(store.publish(capture.state(new CountedState()), ++lastId));
    }

    @Test
    void shouldPreloadPagesBeforeTheFirstCheckpoint() {
        target.write(0, 10);
        preload();
        target.write(3, 5);
        target.drop(7, 9);
        preload();
        target.write(1);
        store.supply(capture.frames(), 1);

        checkpoint();

        assertEquals(8, store.mirror().frames());
    }

    @Test
    void shouldRefuseToPreloadAfterACheckpoint() {
        checkpoint();

        assertThrows(IllegalStateException.class, () -> store.preload(capture));
    }

    @Test
    void shouldPreloadAgainAfterAClear() {
        checkpoint();
        clear();
        target.write(0, 3);

        preload();

        assertEquals(3, store.mirror().frames());
    }

    @Test
    void shouldGiveRewrittenPagesTheirOldContent() {
        target.write(0, 10);
        Checkpoint first = checkpoint();
        target.write(2, 5);
        checkpoint();
        target.write(4, 6);

        rollBack(first);

        assertEquals(4, writes.pages().size());
        assertEquals(List.of(first), store.checkpoints());
    }

    @Test
    void shouldDropPagesThatAreNewerThanTheCheckpoint() {
        target.write(0, 3);
        Checkpoint first = checkpoint();
        target.write(3, 5);
        checkpoint();
        target.write(5, 7);

        rollBack(first);

        assertEquals(4, writes.dropped().size());
        assertEquals(0, writes.pages().size());
    }

    @Test
    void shouldBringBackPagesThatWereDropped() {
        target.write(0, 2_000);
        Checkpoint first = checkpoint();
        target.drop(100, 1_900);
        checkpoint();

        assertEquals(200, store.mirror().frames());
        rollBack(first);

        assertEquals(1_800, writes.pages().size());
        assertEquals(2_000, store.mirror().frames());
    }

    @Test
    void shouldIgnoreDroppedPagesThatTheMirrorDoesNotHave() {
        target.write(0, 3);
        Checkpoint first = checkpoint();
        target.capture(capture);
        capture.dropped().add(10, 1L << 33);
        target.published(store.publish(capture.state(new CountedState()), ++lastId));

        rollBack(first);

        assertEquals(0, writes.dropped().size());
    }

    @Test
    void shouldPreferCapturedContentOfAPageThatIsAlsoDropped() {
        target.write(0, 6);
        Checkpoint first = checkpoint();
        target.write(2, 4);
        target.write(8);
        store.supply(capture.frames(), 3);
        target.capture(capture);
        capture.dropped().add(2, 4);
        capture.dropped().add(8, 9);
        target.published(store.publish(capture.state(new CountedState()), ++lastId));

        assertEquals(7, store.mirror().frames());
        rollBack(first);
    }

    @Test
    void shouldSumUpACaptureThatFollowsOneThatWasOnlyCompared() {
        target.write(0, 6);
        checkpoint();
        target.write(2, 4);
        store.supply(capture.frames(), 2);
        target.capture(capture);
        written.add(2, 4);
        store.leaveOutUnchanged(capture, written);
        clear();

        target.write(0, 9);
        preload();
        checkpoint();

        store.scrub(store.arena().frames());
        assertEquals(0, store.integrity().broken());
    }

    @Test
    void shouldKeepTheOldestContentWhenAPageComesAndGoes() {
        target.write(7);
        Checkpoint with = checkpoint();
        target.drop(7, 8);
        Checkpoint without = checkpoint();
        target.write(7);
        Checkpoint again = checkpoint();
        target.drop(7, 8);
        checkpoint();

        target.assertHeldBy(store);
        drop(again);
        rollBack(without);
        assertEquals(0, store.mirror().frames());
        rollBack(with);
        assertEquals(1, store.mirror().frames());
    }

    @Test
    void shouldFreeTheLogOfTheOldestWhenItIsDropped() {
        target.write(0, 10);
        Checkpoint first = checkpoint();
        target.write(0, 10);
        checkpoint();
        assertTrue(store.undoBytes() >= Pages.toBytes(10));

        drop(first);

        assertEquals(0, store.undoBytes());
    }

    @Test
    void shouldMergeLogsWhenACheckpointBetweenOthersIsDropped() {
        target.write(0, 10);
        Checkpoint first = checkpoint();
        target.write(0, 6);
        Checkpoint second = checkpoint();
        target.write(3, 10);
        checkpoint();

        drop(second);

        assertEquals(1, store.logs().size());
        assertEquals(10, store.logs().get(0).size());
        assertEquals(20, store.arena().usedFrames() - store.mirror().leaves());
        rollBack(first);
    }

    @Test
    void shouldRefuseToDropTheNewest() {
        checkpoint();
        assertThrows(IllegalArgumentException.class, () -> store.drop(store.newest()));
        checkpoint();
        assertThrows(IllegalArgumentException.class, () -> store.drop(store.newest()));
    }

    @Test
    void shouldRefuseCheckpointsItDoesNotKeep() {
        Checkpoint first = checkpoint();
        checkpoint();
        drop(first);

        assertThrows(IllegalArgumentException.class, () -> store.drop(first));
        assertThrows(IllegalArgumentException.class, () -> store.plan(first, written, NOTHING_SAVED, writes));
        assertThrows(IllegalArgumentException.class, () -> store.rolledBack(first));
        assertThrows(IllegalArgumentException.class, () -> store.read(first, 0, 0));
    }

    @Test
    void shouldPlanAnewWithoutAnEarlierPlansPages() {
        target.write(0, 4);
        Checkpoint first = checkpoint();
        target.write(1);
        written.add(1, 2);
        store.plan(first, written, NOTHING_SAVED, writes);
        store.plan(first, written, NOTHING_SAVED, writes);

        assertEquals(1, writes.pages().size());
        rollBack(first);
    }

    @Test
    void shouldRollBackInSteps() {
        List<Checkpoint> kept = new ArrayList<>();
        for (int i = 0; i < 40; i++) {
            target.write(i, i + 20);
            target.drop(i / 2, i / 2 + 2);
            kept.add(checkpoint());
        }
        for (int i = 38; i >= 0; i -= 3) {
            target.write(5, 9);
            rollBack(kept.get(i));
            target.assertHeldBy(store);
        }
    }

    @Test
    void shouldClearStatesAndHandThemToTheRecycler() {
        Checkpoint first = checkpoint();
        Checkpoint second = checkpoint();
        Checkpoint third = checkpoint();
        Checkpoint fourth = checkpoint();

        drop(second);
        assertEquals(List.of(second.state()), recycled);
        rollBack(third);
        assertEquals(List.of(second.state(), fourth.state()), recycled);
        clear();
        assertEquals(List.of(second.state(), fourth.state(), third.state(), first.state()), recycled);
        recycled.forEach(state -> assertEquals(1, ((CountedState) state).clears()));
    }

    @Test
    void shouldGiveMemoryBackWhenItIsCleared() {
        target.write(0, 3_000);
        checkpoint();
        target.write(0, 2_000);
        checkpoint();
        long peak = store.peakBytes();

        clear();

        assertEquals(0, store.mirrorBytes() - store.mirror().directoryBytes());
        assertEquals(0, store.undoBytes());
        assertTrue(store.bytes() < 1 << 20, store.bytes() + " bytes");
        assertEquals(peak, store.peakBytes());
    }

    @Test
    void shouldCountMirrorAndUndoBytes() {
        target.write(0, 100);
        checkpoint();
        target.write(0, 30);
        checkpoint();

        assertEquals(Pages.toBytes(101) + store.mirror().directoryBytes(), store.mirrorBytes());
        assertEquals(Pages.toBytes(30) + store.logs().get(0).bytes(), store.undoBytes());
        assertTrue(store.bytes() >= store.mirrorBytes() + store.undoBytes());
        assertTrue(store.peakBytes() >= store.bytes());
        assertEquals(BUDGET_BYTES, store.budgetBytes());
    }

    private Checkpoint checkpoint() {
        assertTrue(store.supply(capture.frames(), target.dirtyPages()));
        target.capture(capture);
        Checkpoint checkpoint = store.publish(capture.state(new CountedState()), ++lastId);
        target.published(checkpoint);
        return checkpoint;
    }

    private void preload() {
        assertTrue(store.supply(capture.frames(), target.dirtyPages()));
        target.capture(capture);
        store.preload(capture);
    }

    private void drop(Checkpoint checkpoint) {
        store.drop(checkpoint);
        target.dropped(checkpoint);
    }

    private void rollBack(Checkpoint to) {
        target.rollBack(store, to, written, writes);
        assertSame(to, store.newest());
    }

    private void clear() {
        store.clear();
        target.startOver();
    }
}
