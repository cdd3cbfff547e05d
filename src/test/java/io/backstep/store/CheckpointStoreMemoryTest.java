// SPDX-License-Identifier: Apache-2.0
package io.backstep.store;

import static io.backstep.store.ModelTarget.NOTHING_SAVED;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.backstep.core.BackstepException;
import io.backstep.core.Capture;
import io.backstep.core.Checkpoint;
import io.backstep.core.LongVector;
import io.backstep.core.PageRanges;
import io.backstep.core.PageWrites;
import net.openhft.chronicle.bytes.BytesStore;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** A store on a machine that has no memory left, at the worst moments. */
class CheckpointStoreMemoryTest {
    private final CheckpointStore store = new CheckpointStore(new FrameArena(64L << 20, Redundancy.OFF, this::allocate), state -> { });
    private final Capture capture = new Capture();
    private final PageRanges written = new PageRanges();
    private final PageWrites writes = new PageWrites();
    private final ModelTarget target = new ModelTarget();
    private boolean refusing;
    private Checkpoint first;
    private Checkpoint second;

    private BytesStore<?, Void> allocate(long bytes) {
        if (refusing) {
            throw new OutOfMemoryError("a test refused " + bytes + " bytes");
        }
        return BytesStore.lazyNativeBytesStoreWithFixedCapacity(bytes);
    }

    @BeforeEach
    void takeTwoCheckpoints() {
        target.write(0, 20);
        target.write(5_000, 5_020);
        first = publish(1);
        target.write(0, 10);
        target.drop(5_000, 5_020);
        second = publish(2);
    }

    @AfterEach
    void shouldHoldEveryCheckpointAndLoseNoFrame() {
        target.assertHeldBy(store);
        target.assertFramesAccountedFor(store, capture);
        store.close();
        capture.close();
        written.close();
        writes.close();
        target.close();
    }

    @Test
    void shouldRefuseToSupply() {
        refusing = true;

        assertFalse(store.supply(capture.frames(), 5_000));

        assertEquals(0, capture.frames().size());
    }

    @Test
    void shouldPublishACaptureLaterThatItHadNoTableFor() {
        target.write(3, 6);
        target.write(100_000, 100_003);
        target.drop(12, 15);
        supplyAllThatIsFree();
        target.capture(capture);
        long supplied = capture.frames().size();
        refusing = true;

        BackstepException refusal = assertThrows(BackstepException.class, () -> store.publish(capture, 3));

        assertEquals(BackstepException.Reason.OUT_OF_BUDGET, refusal.reason());
        assertSame(second, store.newest());
        assertEquals(supplied, capture.frames().size());
        target.assertHeldBy(store);
        store.drop(first);
        target.dropped(first);
        target.published(store.publish(capture, 3));
    }

    @Test
    void shouldRefuseARollbackBeforeTheTargetIsTouched() {
        supplyAllThatIsFree();
        refusing = true;

        BackstepException refusal =
                assertThrows(BackstepException.class, () -> store.plan(first, written, NOTHING_SAVED, writes));

        assertEquals(BackstepException.Reason.OUT_OF_BUDGET, refusal.reason());
        target.rollBack(store, second, written, writes);
    }

    @Test
    void shouldNotNeedMemoryOnceARollbackIsPlanned() {
        store.plan(first, written, NOTHING_SAVED, writes);
        supplyAllThatIsFree();
        refusing = true;

        target.rollBack(store, first, written, writes);

        assertEquals(40, store.mirror().frames());
    }

    private Checkpoint publish(long id) {
        assertTrue(store.supply(capture.frames(), target.dirtyPages()));
        target.capture(capture);
        Checkpoint checkpoint = store.publish(capture.state(new CountedState()), id);
        target.published(checkpoint);
        return checkpoint;
    }

    private void supplyAllThatIsFree() {
        LongVector frames = capture.frames();
        assertTrue(store.supply(frames, frames.size() + store.arena().freeFrames()));
    }
}
