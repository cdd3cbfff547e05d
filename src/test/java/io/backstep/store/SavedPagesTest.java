// SPDX-License-Identifier: Apache-2.0
package io.backstep.store;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.backstep.core.Capture;
import io.backstep.core.Checkpoint;
import io.backstep.core.LongVector;
import io.backstep.core.PageRanges;
import io.backstep.core.PageWrites;
import io.backstep.core.Pages;
import io.backstep.core.PreImages;
import org.agrona.UnsafeApi;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** What a target saved by itself becomes the undo log, beside pages that were copied. */
class SavedPagesTest {
    private static final long A = 100;
    private static final long B = 101;
    private static final long C = 5_000;

    private final CheckpointStore store = new CheckpointStore(32L << 20, state -> { });
    private final Capture capture = new Capture();
    private final LongVector pool = new LongVector();
    private final PageRanges written = new PageRanges();
    private final PreImages open = new PreImages();
    private final PageWrites writes = new PageWrites();
    private final long scratch = UnsafeApi.allocateMemory(Pages.PAGE_SIZE);
    private long lastId;

    @AfterEach
    void shouldLoseNoFrame() {
        long supplied = capture.frames().size() + pool.size() + open.frameCount();
        store.clear();
        assertEquals(supplied, store.arena().usedFrames());
        store.close();
        capture.close();
        pool.close();
        written.close();
        open.close();
        writes.close();
        UnsafeApi.freeMemory(scratch);
    }

    private void copied(long page, long version) {
        assertTrue(store.supply(capture.frames(), capture.pages().size() + 1));
        Content.fill(capture.frames().get(capture.pages().size()), page, version);
        capture.pages().add(page);
    }

    private long frameOf(long page, long version) {
        assertTrue(store.supply(pool, 1));
        long frame = pool.removeLast();
        Content.fill(frame, page, version);
        return frame;
    }

    private void saved(long page, long version) {
        capture.saved().pages().add(page);
        capture.saved().frames().add(version == 0 ? 0 : frameOf(page, version));
    }

    private Checkpoint publish() {
        Checkpoint checkpoint = store.publish(capture.state(new CountedState()), ++lastId);
        assertTrue(capture.saved().pages().isEmpty());
        capture.clearResults();
        return checkpoint;
    }

    private void assertHolds(Checkpoint checkpoint, long page, long version) {
        assertEquals(version != 0, store.read(checkpoint, page, scratch));
        assertTrue(version == 0 || Content.matches(scratch, page, version), "page " + page);
    }

    @Test
    void shouldKeepWhatWasSaved() {
        Checkpoint first = publish();
        saved(A, 1);
        saved(C, 0);
        Checkpoint second = publish();
        saved(A, 2);
        publish();

        assertHolds(first, A, 1);
        assertHolds(first, C, 0);
        assertHolds(second, A, 2);
        assertFalse(store.read(store.newest(), A, scratch), "nobody has it but the target");
    }

    @Test
    void shouldTakePagesOutOfTheMirrorThatAreHeldAgain() {
        copied(A, 1);
        copied(C, 1);
        Checkpoint first = publish();
        capture.dropped().add(A, A + 1);
        saved(B, 5);
        copied(C, 2);
        publish();

        assertHolds(first, A, 1);
        assertHolds(first, B, 5);
        assertHolds(first, C, 1);
        assertEquals(1, store.mirror().frames());
    }

    @Test
    void shouldTakeWhatWasInTheMirrorForTheOlder() {
        copied(A, 1);
        Checkpoint first = publish();
        saved(A, 9);
        copied(B, 1);
        publish();

        assertHolds(first, A, 1);
        assertHolds(first, B, 0);
    }

    @Test
    void shouldCopyAPageThatWasSavedInTheSameInterval() {
        Checkpoint first = publish();
        saved(A, 1);
        copied(A, 2);
        Checkpoint second = publish();

        assertHolds(first, A, 1);
        assertHolds(second, A, 2);
    }

    @Test
    void shouldPlanWithWhatWasSavedSinceTheNewest() {
        copied(C, 1);
        Checkpoint first = publish();
        saved(A, 1);
        Checkpoint second = publish();
        open.pages().add(A);
        open.frames().add(frameOf(A, 2));
        open.pages().add(B);
        open.frames().add(0);
        written.add(A, B + 1);
        written.add(C, C + 1);

        store.plan(second, written, open, writes);

        assertEquals(2, writes.pages().size());
        assertTrue(Content.matches(writes.frames().get(0), A, 2));
        assertTrue(Content.matches(writes.frames().get(1), C, 1));
        assertEquals(B, writes.dropped().get(0));

        store.plan(first, written, open, writes);

        assertTrue(Content.matches(writes.frames().get(0), A, 1));
    }

    @Test
    void shouldMergeLogsOfSavedPages() {
        Checkpoint first = publish();
        saved(A, 1);
        Checkpoint second = publish();
        saved(A, 2);
        saved(B, 3);
        publish();

        store.drop(second);

        assertHolds(first, A, 1);
        assertHolds(first, B, 3);
    }
}
