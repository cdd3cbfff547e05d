// SPDX-License-Identifier: Apache-2.0
package io.backstep.bench.parts;

import java.util.ArrayDeque;
import java.util.Deque;

import io.backstep.core.Capture;
import io.backstep.core.Checkpoint;
import io.backstep.core.ExecutionState;
import io.backstep.core.LongVector;
import io.backstep.core.PageRanges;
import io.backstep.core.PageWrites;
import io.backstep.core.PreImages;
import io.backstep.store.CheckpointStore;

/** Checkpoints of a target that is not there: each has D pages at random places of 256 MiB, all of which were captured before. */
final class Checkpoints {
    private static final long ALL = 65536;

    private record NoState() implements ExecutionState {
        @Override
        public long sizeBytes() {
            return 0;
        }

        @Override
        public boolean isIntact() {
            return true;
        }

        @Override
        public void clear() {
        }

        @Override
        public void close() {
        }
    }

    private final Deque<ExecutionState> states = new ArrayDeque<>();
    private final CheckpointStore store = new CheckpointStore(4L << 30, states::addLast);
    private final Capture capture = new Capture();
    private final PreImages saved = new PreImages();
    private final PageWrites writes = new PageWrites();
    private final PageRanges written = new PageRanges();
    private final SomePages some;
    private long nextId = 1;

    Checkpoints(int pages) {
        some = new SomePages(0, ALL, pages);
        LongVector all = new LongVector();
        for (long page = 0; page < ALL; page++) {
            all.add(page);
        }
        capture(all);
        publish();
    }

    /** What a target would do. */
    void capture() {
        capture(some.next());
    }

    private void capture(LongVector pages) {
        store.supply(capture.frames(), pages.size());
        capture.clearResults();
        capture.pages().copyFrom(pages.address(), pages.size());
        capture.state(states.isEmpty() ? new NoState() : states.removeLast());
    }

    LongVector captured() {
        return capture.pages();
    }

    LongVector frames() {
        return capture.frames();
    }

    void publish() {
        store.publish(capture, nextId++);
    }

    /** What the next rollback finds written since the newest checkpoint. */
    void write() {
        LongVector pages = some.next();
        written.clear();
        for (long i = 0; i < pages.size(); i++) {
            written.add(pages.get(i), pages.get(i) + 1);
        }
    }

    int count() {
        return store.checkpoints().size();
    }

    void drop(int index) {
        store.drop(store.checkpoints().get(index));
    }

    long plan() {
        store.plan(oldest(), written, saved, writes);
        return writes.pages().size();
    }

    void follow() {
        store.rolledBack(oldest());
    }

    private Checkpoint oldest() {
        return store.checkpoints().get(0);
    }
}
