// SPDX-License-Identifier: Apache-2.0
package io.backstep.store;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.sun.management.ThreadMXBean;
import io.backstep.core.Capture;
import io.backstep.core.Checkpoint;
import io.backstep.core.ExecutionState;
import java.lang.management.ManagementFactory;
import org.junit.jupiter.api.Test;

/** The promise that checkpoints make no garbage, so that a garbage collection does not disturb the next pause. */
class CheckpointStoreAllocationTest {
    private static final int DIRTY_PAGES = 1_000;
    private static final int KEPT = 8;
    private static final int ROUNDS = 2_000;
    private static final int MOST_SERIES = 5;

    private final ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    private final ExecutionState state = new CountedState();
    private long lastId;

    @Test
    void shouldAllocateNothingForAPublish() {
        assumeTrue(threads.isThreadAllocatedMemorySupported() && threads.isThreadAllocatedMemoryEnabled(),
                "this JVM does not count the bytes that a thread allocates");
        try (CheckpointStore store = new CheckpointStore(256L << 20, recycled -> { });
                Capture capture = new Capture()) {
            publishRounds(store, capture);

            // Compiled code that meets a branch for the first time makes the JVM allocate a few strings on this thread.
            // That comes once; what publishing allocates comes in each series.
            long least = Long.MAX_VALUE;
            for (int series = 0; series < MOST_SERIES && least > 0; series++) {
                long before = threads.getThreadAllocatedBytes(Thread.currentThread().getId());
                publishRounds(store, capture);
                least = Math.min(least, threads.getThreadAllocatedBytes(Thread.currentThread().getId()) - before);
            }

            assertEquals(0, least, "bytes for " + ROUNDS + " publishes");
        }
    }

    private void publishRounds(CheckpointStore store, Capture capture) {
        for (int round = 0; round < ROUNDS; round++) {
            store.supply(capture.frames(), DIRTY_PAGES);
            capture.clearResults();
            for (long i = 0; i < DIRTY_PAGES; i++) {
                capture.pages().add((round % 7) * 100 + i * 3);
            }
            // Pages come and go, whole leaves too.
            capture.dropped().add(10_000 + (round % 5) * 1_000, 14_000 + (round % 5) * 1_000);
            store.publish(capture.state(state), ++lastId);
            if (store.checkpoints().size() > KEPT) {
                Checkpoint dropped = store.checkpoints().get(round % 2 == 0 ? 0 : KEPT / 2);
                store.drop(dropped);
            }
        }
    }
}
