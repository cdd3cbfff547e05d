// SPDX-License-Identifier: Apache-2.0
package io.backstep.store;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.backstep.core.Capture;
import io.backstep.core.Checkpoint;
import io.backstep.core.PageRanges;
import io.backstep.core.PageWrites;
import io.backstep.core.PreImages;
import io.backstep.core.Pages;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import org.agrona.UnsafeApi;

/** A target that is a map from page to a version of its content; and what a store must know about it. */
final class ModelTarget implements AutoCloseable {
    static final PreImages NOTHING_SAVED = new PreImages();

    private final TreeMap<Long, Long> versions = new TreeMap<>();
    private final TreeSet<Long> written = new TreeSet<>();
    private final TreeSet<Long> dropped = new TreeSet<>();
    private final Map<Checkpoint, TreeMap<Long, Long>> snapshots = new HashMap<>();
    private final TreeSet<Long> touched = new TreeSet<>();
    private final long scratch = UnsafeApi.allocateMemory(Pages.PAGE_SIZE);
    private TreeMap<Long, Long> captured = new TreeMap<>();
    private long nextVersion = 1;

    void write(long page) {
        versions.put(page, nextVersion++);
        written.add(page);
        dropped.remove(page);
        touched.add(page);
    }

    void write(long firstPage, long endPage) {
        for (long page = firstPage; page < endPage; page++) {
            write(page);
        }
    }

    /** Counts pages as written that stay as they are. */
    void touch(long firstPage, long endPage) {
        written.addAll(versions.subMap(firstPage, endPage).keySet());
    }

    void drop(long firstPage, long endPage) {
        Set<Long> gone = versions.subMap(firstPage, endPage).keySet();
        dropped.addAll(gone);
        written.removeAll(gone);
        gone.clear();
    }

    long dirtyPages() {
        return written.size();
    }

    /** Copies what was written since the last capture into the frames, which must suffice. */
    void capture(Capture capture) {
        capture.clearResults();
        for (long page : written) {
            Content.fill(capture.frames().get(capture.pages().size()), page, versions.get(page));
            capture.pages().add(page);
        }
        for (long page : dropped) {
            capture.dropped().add(page, page + 1);
        }
        written.clear();
        dropped.clear();
        captured = new TreeMap<>(versions);
    }

    /** Remembers the content of the last capture as that of a checkpoint. */
    void published(Checkpoint checkpoint) {
        snapshots.put(checkpoint, captured);
    }

    void dropped(Checkpoint checkpoint) {
        snapshots.remove(checkpoint);
    }

    /** Goes back to a checkpoint with what the store planned, and checks that this does all and no more than needed. */
    void rollBack(CheckpointStore store, Checkpoint to, PageRanges writtenPages, PageWrites writes) {
        writtenPages.clear();
        TreeSet<Long> changed = new TreeSet<>(written);
        changed.addAll(dropped);
        changed.forEach(page -> writtenPages.add(page, page + 1));

        store.plan(to, writtenPages, NOTHING_SAVED, writes);

        TreeMap<Long, Long> snapshot = snapshots.get(to);
        assertAscends(writes);
        assertEquals(writes.pages().size(), writes.frames().size());
        for (long i = 0; i < writes.pages().size(); i++) {
            long page = writes.pages().get(i);
            Long version = snapshot.get(page);
            assertTrue(version != null, "page " + page + " had no content at the checkpoint");
            assertTrue(Content.matches(writes.frames().get(i), page, version), "plan for page " + page);
            versions.put(page, version);
        }
        for (long i = 0; i < writes.dropped().size(); i++) {
            versions.remove(writes.dropped().get(i));
        }
        assertEquals(snapshot, versions);

        store.rolledBack(to);
        written.clear();
        dropped.clear();
        captured = new TreeMap<>(versions);
        snapshots.keySet().removeIf(checkpoint -> checkpoint.id() > to.id());
    }

    private static void assertAscends(PageWrites writes) {
        for (long i = 1; i < writes.pages().size(); i++) {
            assertTrue(writes.pages().get(i - 1) < writes.pages().get(i));
        }
        for (long i = 1; i < writes.dropped().size(); i++) {
            assertTrue(writes.dropped().get(i - 1) < writes.dropped().get(i));
        }
    }

    /** A new target: nothing was written yet. */
    void startOver() {
        versions.clear();
        written.clear();
        dropped.clear();
        snapshots.clear();
        captured = new TreeMap<>();
    }

    /** Every page that ever had content, at every kept checkpoint, byte for byte. */
    void assertHeldBy(CheckpointStore store) {
        assertEquals(snapshots.keySet(), new HashSet<>(store.checkpoints()));
        for (Checkpoint checkpoint : store.checkpoints()) {
            TreeMap<Long, Long> snapshot = snapshots.get(checkpoint);
            for (long page : touched) {
                Long version = snapshot.get(page);
                if (version == null) {
                    assertFalse(store.read(checkpoint, page, scratch),
                            "page " + page + " has content at checkpoint " + checkpoint.id());
                } else {
                    assertTrue(store.read(checkpoint, page, scratch) && Content.matches(scratch, page, version),
                            "page " + page + " at checkpoint " + checkpoint.id());
                }
            }
        }
    }

    /** Every frame is free, supplied, in the mirror or in a log, and in one of these places only. */
    void assertFramesAccountedFor(CheckpointStore store, Capture capture) {
        Set<Long> seen = new HashSet<>();
        FrameArena arena = store.arena();
        for (long i = 0; i < capture.frames().size(); i++) {
            assertTrue(seen.add(capture.frames().get(i)), "a supplied frame is in use elsewhere");
        }
        for (UndoLog log : store.logs()) {
            for (long i = 0; i < log.size(); i++) {
                assertTrue(log.frame(i) == 0 || seen.add(log.frame(i)), "a logged frame is in use elsewhere");
            }
        }
        long mirrored = 0;
        for (long page : touched) {
            long frame = store.mirror().get(page);
            if (frame != 0) {
                mirrored++;
                assertTrue(seen.add(frame), "a frame of the mirror is in use elsewhere");
            }
        }
        assertEquals(mirrored, store.mirror().frames());
        assertEquals(arena.frames(), seen.size() + store.mirror().leaves() + arena.freeFrames(),
                "frames leaked, or free and in use");
    }

    @Override
    public void close() {
        UnsafeApi.freeMemory(scratch);
    }
}
