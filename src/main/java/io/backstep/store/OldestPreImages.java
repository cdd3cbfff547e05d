// SPDX-License-Identifier: Apache-2.0
package io.backstep.store;

import java.util.Arrays;
import java.util.List;

/**
 * A walk over the pages that have a pre-image in some neighbouring logs: ascending, each page once, with its oldest
 * pre-image. Allocates only when there are more logs than ever before. Not thread-safe.
 */
final class OldestPreImages {
    private List<UndoLog> logs;
    private long[] positions = new long[16];
    // A binary heap of indices into logs; on top the lowest page, and of equal pages the oldest log's.
    private int[] heap = new int[16];
    private int heapSize;
    private long page;
    private long frame;
    private int log;

    /** Starts a walk over the logs from one on. They must not change before it ends. */
    void start(List<UndoLog> oldestFirst, int from) {
        logs = oldestFirst;
        heapSize = 0;
        if (positions.length < logs.size()) {
            positions = new long[2 * logs.size()];
            heap = new int[2 * logs.size()];
        }
        Arrays.fill(positions, 0);
        for (int i = from; i < logs.size(); i++) {
            if (logs.get(i).size() > 0) {
                heap[heapSize++] = i;
            }
        }
        for (int i = heapSize / 2 - 1; i >= 0; i--) {
            siftDown(i);
        }
    }

    /** Goes on to the next page; false if there is none. */
    boolean next() {
        if (heapSize == 0) {
            return false;
        }
        page = pageOf(heap[0]);
        log = heap[0];
        frame = logs.get(log).frame(positions[log]);
        do {
            advanceTop();
        } while (heapSize > 0 && pageOf(heap[0]) == page);
        return true;
    }

    long page() {
        return page;
    }

    /** The frame of the oldest pre-image; 0 says that the page had no content of its own. */
    long frame() {
        return frame;
    }

    /** Which of the logs it is from. */
    int log() {
        return log;
    }

    private void advanceTop() {
        int top = heap[0];
        if (++positions[top] == logs.get(top).size()) {
            heap[0] = heap[--heapSize];
        }
        siftDown(0);
    }

    private void siftDown(int start) {
        int at = start;
        while (true) {
            int least = at;
            for (int child = 2 * at + 1; child <= 2 * at + 2 && child < heapSize; child++) {
                if (comesBefore(heap[child], heap[least])) {
                    least = child;
                }
            }
            if (least == at) {
                return;
            }
            int moved = heap[at];
            heap[at] = heap[least];
            heap[least] = moved;
            at = least;
        }
    }

    private boolean comesBefore(int a, int b) {
        long pageOfA = pageOf(a);
        long pageOfB = pageOf(b);
        return pageOfA < pageOfB || (pageOfA == pageOfB && a < b);
    }

    private long pageOf(int log) {
        return logs.get(log).page(positions[log]);
    }
}
