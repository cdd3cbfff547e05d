// SPDX-License-Identifier: Apache-2.0
package io.backstep.store;

import static io.backstep.core.Pages.PAGE_SIZE;

import io.backstep.core.BackstepException;
import io.backstep.core.BackstepException.Reason;
import io.backstep.core.Capture;
import io.backstep.core.Checkpoint;
import io.backstep.core.ExecutionState;
import io.backstep.core.LongVector;
import io.backstep.core.PageRanges;
import io.backstep.core.PageWrites;
import io.backstep.core.Pages;
import io.backstep.core.PreImages;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Objects;
import java.util.function.Consumer;
import org.agrona.UnsafeApi;

/**
 * The kept checkpoints of one target and the memory they take: a mirror of the tracked pages as of the newest
 * checkpoint, and between each two neighbours an undo log. Publishing and rolling back move pointers to frames and copy
 * no page.
 *
 * <p>The budget is asked before a pause, by {@link #supply(LongVector, long)}, and covers frames, tables and logs. A
 * capture whose frames were supplied is never refused: what its tables and logs take beyond the budget, a few bytes for
 * each page, is counted and held against the next supply.
 *
 * <p>After warm-up a publish allocates nothing: logs and {@link Checkpoint}s are used again. Not thread-safe: one thread
 * owns the store.
 *
 * <pre>
 *   checkpoints:      c0        c1        c2       newest last
 *   logs:                 l0        l1             l(i) takes the pages back from c(i+1) to c(i)
 *   mirror:                               m        the pages as of the newest
 * </pre>
 */
public final class CheckpointStore implements AutoCloseable {
    private final FrameArena arena;
    private final PageTable mirror;
    private final List<Checkpoint> checkpoints = new ArrayList<>();
    private final List<Checkpoint> checkpointsView = Collections.unmodifiableList(checkpoints);
    private final List<UndoLog> logs = new ArrayList<>();
    private final List<UndoLog> spareLogs = new ArrayList<>();
    private final List<Checkpoint> spareCheckpoints = new ArrayList<>();
    private final Leaving leaving = new Leaving();
    private final UndoLog openLog = new UndoLog();
    private final List<UndoLog> allLogs = new ArrayList<>();
    private final OldestPreImages oldest = new OldestPreImages();
    private final Consumer<ExecutionState> recycler;
    private long peakBytes;

    /**
     * Makes an empty store.
     *
     * @param budgetBytes memory it may take
     * @param recycler gets each execution state that is no longer kept, cleared
     */
    public CheckpointStore(long budgetBytes, Consumer<ExecutionState> recycler) {
        this(new FrameArena(budgetBytes), recycler);
    }

    CheckpointStore(FrameArena arena, Consumer<ExecutionState> recycler) {
        this.arena = arena;
        this.mirror = new PageTable(arena);
        this.recycler = recycler;
    }

    /**
     * Tops a vector up to a count of free frames, which are the caller's from then on. The place where memory grows:
     * call it while the target runs.
     *
     * @return false if the budget does not allow it; the vector keeps what it has
     */
    public boolean supply(LongVector frames, long count) {
        long missing = count - frames.size();
        if (missing <= 0) {
            return true;
        }
        arena.outsideBytes(outsideBytes());
        if (!arena.ensureFree(missing)) {
            return false;
        }
        frames.reserve(count);
        for (long i = 0; i < missing; i++) {
            frames.add(arena.take());
        }
        notePeak();
        return true;
    }

    /**
     * Takes some of the frames back that a vector has beyond a count: the store hands those out first that were used last,
     * and a vector only in turn, whose frames are therefore cold when there are many. An eighth at a time, so that what
     * varies finds what it needs.
     */
    public void takeBack(LongVector frames, long count) {
        for (long surplus = Math.max(0, frames.size() - count) >> 3; surplus > 0; surplus--) {
            arena.give(frames.removeLast());
        }
    }

    /**
     * Takes the pages of a live capture into the mirror, as a head start for the first checkpoint; the frames leave the
     * capture's vector. Not allowed once there is a checkpoint.
     */
    public void preload(Capture live) {
        if (!checkpoints.isEmpty()) {
            throw new IllegalStateException("preload after checkpoint " + newest().id() + " was published");
        }
        prepare(live, null);
        moveIntoMirror(live, null);
        notePeak();
    }

    /**
     * Takes pages out of a capture that are as they were at the newest checkpoint; their frames can be used again.
     *
     * @param among only these are looked at
     */
    public void leaveOutUnchanged(Capture capture, PageRanges among) {
        LongVector pages = capture.pages();
        LongVector frames = capture.frames();
        long kept = 0;
        long range = 0;
        for (long i = 0; i < pages.size(); i++) {
            long page = pages.get(i);
            range = among.seek(range, page);
            if (among.has(range, page) && !capture.dropped().contains(page) && isSame(mirror.get(page), frames.get(i))) {
                continue;
            }
            long frame = frames.get(i);
            frames.set(i, frames.get(kept));
            frames.set(kept, frame);
            pages.set(kept++, page);
        }
        pages.truncate(kept);
    }

    private static boolean isSame(long oneFrame, long otherFrame) {
        if (oneFrame == 0) {
            return false;
        }
        for (long at = 0; at < PAGE_SIZE; at += Long.BYTES) {
            if (UnsafeApi.getLong(oneFrame + at) != UnsafeApi.getLong(otherFrame + at)) {
                return false;
            }
        }
        return true;
    }

    /**
     * Makes a capture the newest checkpoint: its frames move from its vector into the mirror, and what they replace
     * becomes the undo log of the interval that has just ended. Happens as a whole or not at all.
     *
     * @param id higher than that of the newest checkpoint
     * @throws BackstepException OUT_OF_BUDGET if the machine has no memory left; store and capture are as they were, so
     *     that checkpoints can be dropped and the capture published again.
     */
    public Checkpoint publish(Capture capture, long id) {
        Checkpoint previous = newest();
        if (previous != null && id <= previous.id()) {
            throw new IllegalArgumentException("publish of checkpoint " + id + " after checkpoint " + previous.id());
        }
        ExecutionState state = Objects.requireNonNull(capture.state(), "state");
        UndoLog log = previous == null ? null : spareLog();
        prepare(capture, log);

        Checkpoint checkpoint = newCheckpoint(id, capture.atNs(), state);
        checkpoints.add(checkpoint);
        if (log != null) {
            spareLogs.remove(log);
            logs.add(log);
        }
        moveIntoMirror(capture, log);
        notePeak();
        return checkpoint;
    }

    private Checkpoint newCheckpoint(long id, long atNs, ExecutionState state) {
        return spareCheckpoints.isEmpty()
                ? new Checkpoint(id, atNs, state)
                : spareCheckpoints.remove(spareCheckpoints.size() - 1).become(id, atNs, state);
    }

    /** Does what can fail, so that moving the capture into the mirror cannot. */
    private void prepare(Capture capture, UndoLog log) {
        LongVector pages = capture.pages();
        LongVector frames = capture.frames();
        if (frames.size() < pages.size()) {
            throw new IllegalArgumentException("capture of " + pages.size() + " pages in " + frames.size() + " frames");
        }
        try {
            arena.outsideBytes(outsideBytes());
            mirror.prepare(pages, frames);
            if (log != null) {
                log.reserve(pages.size() + mirrored(capture.dropped()) + capture.saved().pages().size());
            }
        } catch (OutOfMemoryError e) {
            throw new BackstepException(Reason.OUT_OF_BUDGET, "store: no memory for the tables of a capture of "
                    + pages.size() + " pages; the store takes " + bytes() + " bytes", e);
        }
    }

    /** How many pages of some ranges are in the mirror. */
    private long mirrored(PageRanges ranges) {
        long count = 0;
        for (long i = 0; i < ranges.rangeCount(); i++) {
            long end = ranges.end(i);
            for (long page = mirror.next(ranges.first(i), end); page < end; page = mirror.next(page + 1, end)) {
                count++;
            }
        }
        return count;
    }

    private void moveIntoMirror(Capture capture, UndoLog log) {
        if (!capture.saved().pages().isEmpty()) {
            mergeSaved(capture, log);
            return;
        }
        LongVector pages = capture.pages();
        PageRanges dropped = capture.dropped();
        long moved = 0;
        for (long i = 0; i < dropped.rangeCount(); i++) {
            long end = dropped.end(i);
            for (long page = mirror.next(dropped.first(i), end); page < end; page = mirror.next(page + 1, end)) {
                moved = putBefore(page, moved, capture, log);
                // A page that is in both lists has content now.
                if (moved == pages.size() || pages.get(moved) != page) {
                    replaced(page, mirror.remove(page), log);
                }
            }
        }
        putBefore(Long.MAX_VALUE, moved, capture, log);
        capture.frames().removeFirst(pages.size());
    }

    /** Puts the captured pages from an index on and below an end page into the mirror; returns the index after them. */
    private long putBefore(long endPage, long from, Capture capture, UndoLog log) {
        LongVector pages = capture.pages();
        LongVector frames = capture.frames();
        long i = from;
        for (; i < pages.size() && pages.get(i) < endPage; i++) {
            long page = pages.get(i);
            replaced(page, mirror.put(page, frames.get(i)), log);
        }
        return i;
    }

    private void replaced(long page, long oldFrame, UndoLog log) {
        if (log != null) {
            log.add(page, oldFrame);
        } else if (oldFrame != 0) {
            arena.give(oldFrame);
        }
    }

    /**
     * As moving a capture into the mirror, with pages that the target saved by itself. Three lists are walked at once:
     * pages with a new frame, pages that leave the mirror, and pages with a pre-image.
     */
    private void mergeSaved(Capture capture, UndoLog log) {
        LongVector pages = capture.pages();
        LongVector saved = capture.saved().pages();
        long copied = 0;
        long kept = 0;
        leaving.start(capture.dropped());
        while (true) {
            long nextCopied = copied < pages.size() ? pages.get(copied) : Long.MAX_VALUE;
            long nextSaved = kept < saved.size() ? saved.get(kept) : Long.MAX_VALUE;
            long page = Math.min(Math.min(nextCopied, nextSaved), leaving.page());
            if (page == Long.MAX_VALUE) {
                break;
            }
            long before = page == nextCopied ? mirror.put(page, capture.frames().get(copied++)) : mirror.remove(page);
            if (page == leaving.page()) {
                leaving.next();
            }
            if (page == nextSaved) {
                before = older(before, capture.saved().frames().get(kept++));
            }
            replaced(page, before, log);
        }
        capture.frames().removeFirst(pages.size());
        capture.saved().clear();
    }

    /** What was in the mirror was there first. The other frame is free. */
    private long older(long fromMirror, long fromTarget) {
        if (fromMirror == 0) {
            return fromTarget;
        }
        if (fromTarget != 0) {
            arena.give(fromTarget);
        }
        return fromMirror;
    }

    /** A walk over the pages of some ranges that are in the mirror. */
    private final class Leaving {
        private PageRanges ranges;
        private long range;
        private long page;

        void start(PageRanges ofPages) {
            ranges = ofPages;
            range = 0;
            page = ofPages.isEmpty() ? Long.MAX_VALUE : ofPages.first(0) - 1;
            next();
        }

        /** Long.MAX_VALUE at the end. */
        long page() {
            return page;
        }

        void next() {
            while (range < ranges.rangeCount()) {
                long end = ranges.end(range);
                page = mirror.next(Math.max(page + 1, ranges.first(range)), end);
                if (page < end) {
                    return;
                }
                range++;
            }
            page = Long.MAX_VALUE;
        }
    }

    /** The kept checkpoints, oldest first; a view. */
    public List<Checkpoint> checkpoints() {
        return checkpointsView;
    }

    /** The newest checkpoint, or null. */
    public Checkpoint newest() {
        return checkpoints.isEmpty() ? null : checkpoints.get(checkpoints.size() - 1);
    }

    /**
     * Works out what a rollback does to the target's pages: every page that was written since the newest checkpoint, or
     * that has a pre-image from the given checkpoint on, gets its content of that moment or is dropped; no other page
     * does. The frames stay the store's and are valid until it is changed.
     *
     * @param written pages written or dropped since the newest checkpoint
     * @param saved what the target saved by itself since then
     * @param into gets the result, ascending; what was in it is cleared
     */
    public void plan(Checkpoint to, PageRanges written, PreImages saved, PageWrites into) {
        int from = indexOf(to);
        prepareRollback(from);
        into.clear();
        openLog.copyFrom(saved);
        allLogs.clear();
        allLogs.addAll(logs);
        allLogs.add(openLog);
        oldest.start(allLogs, from);
        boolean more = oldest.next();
        for (long i = 0; i < written.rangeCount(); i++) {
            for (long page = written.first(i); page < written.end(i); page++) {
                while (more && oldest.page() < page) {
                    more = takeOldest(into);
                }
                if (more && oldest.page() == page) {
                    more = takeOldest(into);
                } else {
                    writeOrDrop(page, mirror.get(page), into);
                }
            }
        }
        while (more) {
            more = takeOldest(into);
        }
    }

    private boolean takeOldest(PageWrites into) {
        writeOrDrop(oldest.page(), oldest.frame(), into);
        return oldest.next();
    }

    private static void writeOrDrop(long page, long frame, PageWrites into) {
        if (frame == 0) {
            into.drop(page);
        } else {
            into.write(page, frame);
        }
    }

    /** Makes leaves for pages that the mirror lost and will get back: after the target went back, nothing may fail. */
    private void prepareRollback(int from) {
        try {
            arena.outsideBytes(outsideBytes());
            for (int i = from; i < logs.size(); i++) {
                mirror.prepare(logs.get(i).pages(), logs.get(i).frames());
            }
        } catch (OutOfMemoryError e) {
            throw new BackstepException(Reason.OUT_OF_BUDGET, "store: no memory for a rollback to checkpoint "
                    + checkpoints.get(from).id() + "; the store takes " + bytes() + " bytes", e);
        }
    }

    /**
     * Follows the target back to a checkpoint it has just been given, which is the newest from now on. Later
     * checkpoints are gone. Call {@link #plan} before: then this cannot fail.
     */
    public void rolledBack(Checkpoint to) {
        int index = indexOf(to);
        for (int i = logs.size() - 1; i >= index; i--) {
            moveBackIntoMirror(logs.get(i));
            retire(logs.remove(i));
        }
        for (int i = checkpoints.size() - 1; i > index; i--) {
            recycle(checkpoints.remove(i));
        }
        notePeak();
    }

    private void moveBackIntoMirror(UndoLog log) {
        for (long i = 0; i < log.size(); i++) {
            long page = log.page(i);
            long frame = log.frame(i);
            long superseded = frame == 0 ? mirror.remove(page) : mirror.put(page, frame);
            if (superseded != 0) {
                arena.give(superseded);
            }
        }
        log.forget();
    }

    /** Lets go of a checkpoint that is not the newest. The others stay what they are. */
    public void drop(Checkpoint checkpoint) {
        int index = indexOf(checkpoint);
        if (index == checkpoints.size() - 1) {
            throw new IllegalArgumentException("drop of checkpoint " + checkpoint.id() + ", the newest");
        }
        UndoLog log = logs.get(index);
        if (index == 0) {
            log.free(arena);
        } else {
            UndoLog older = logs.get(index - 1);
            UndoLog merged = spareLog();
            merged.setMerged(older, log, arena);
            spareLogs.remove(merged);
            logs.set(index - 1, merged);
            retire(older);
            notePeak();
        }
        retire(logs.remove(index));
        recycle(checkpoints.remove(index));
    }

    /** Forgets all checkpoints and the mirror. Frames that were supplied stay with who has them. */
    public void clear() {
        for (int i = logs.size() - 1; i >= 0; i--) {
            logs.get(i).free(arena);
            retire(logs.remove(i));
        }
        mirror.clear();
        arena.trim();
        closeSpareLogs();
        for (int i = checkpoints.size() - 1; i >= 0; i--) {
            recycle(checkpoints.remove(i));
        }
    }

    /**
     * Copies a page's content as of a checkpoint to an address.
     *
     * @return false if the page had no content of its own
     */
    public boolean read(Checkpoint checkpoint, long page, long destinationAddress) {
        long frame = frameAt(indexOf(checkpoint), page);
        if (frame == 0) {
            return false;
        }
        UnsafeApi.copyMemory(frame, destinationAddress, PAGE_SIZE);
        return true;
    }

    private long frameAt(int checkpointIndex, long page) {
        for (int i = checkpointIndex; i < logs.size(); i++) {
            long found = logs.get(i).indexOf(page);
            if (found >= 0) {
                return logs.get(i).frame(found);
            }
        }
        return mirror.get(page);
    }

    /** Memory of the mirror and its table. */
    public long mirrorBytes() {
        return Pages.toBytes(mirror.frames()) + mirror.bytes();
    }

    /** Memory of the pre-images and their logs. */
    public long undoBytes() {
        long bytes = 0;
        for (int i = 0; i < logs.size(); i++) {
            bytes += Pages.toBytes(logs.get(i).frameCount()) + logs.get(i).bytes();
        }
        return bytes;
    }

    /** All memory of the store: every frame, used or free, tables and logs. */
    public long bytes() {
        return arena.bytes() + outsideBytes();
    }

    /** The most that {@link #bytes()} ever was. */
    public long peakBytes() {
        return peakBytes;
    }

    public long budgetBytes() {
        return arena.budgetBytes();
    }

    FrameArena arena() {
        return arena;
    }

    PageTable mirror() {
        return mirror;
    }

    List<UndoLog> logs() {
        return logs;
    }

    private int indexOf(Checkpoint checkpoint) {
        int index = checkpoints.indexOf(checkpoint);
        if (index < 0) {
            throw new IllegalArgumentException("checkpoint " + checkpoint.id() + " is not kept");
        }
        return index;
    }

    /** Memory that does not come from the arena. */
    private long outsideBytes() {
        long bytes = mirror.directoryBytes();
        for (int i = 0; i < logs.size(); i++) {
            bytes += logs.get(i).bytes();
        }
        for (int i = 0; i < spareLogs.size(); i++) {
            bytes += spareLogs.get(i).bytes();
        }
        return bytes;
    }

    private void notePeak() {
        peakBytes = Math.max(peakBytes, bytes());
    }

    /** An empty log. It stays among the spare ones until it is taken out. */
    private UndoLog spareLog() {
        if (spareLogs.isEmpty()) {
            spareLogs.add(new UndoLog());
        }
        return spareLogs.get(spareLogs.size() - 1);
    }

    private void retire(UndoLog log) {
        assert log.size() == 0;
        spareLogs.add(log);
    }

    private void recycle(Checkpoint checkpoint) {
        checkpoint.state().clear();
        recycler.accept(checkpoint.state());
        spareCheckpoints.add(checkpoint);
    }

    private void closeSpareLogs() {
        spareLogs.forEach(UndoLog::close);
        spareLogs.clear();
    }

    /** Releases all memory, supplied frames too. The execution states go to the recycler. */
    @Override
    public void close() {
        clear();
        openLog.close();
        arena.close();
    }
}
