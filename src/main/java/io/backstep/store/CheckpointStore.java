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
 * <p>Its own memory may be struck, too. Every frame gets a checksum when it is published, and a rollback is planned with
 * frames, logs, tables and states only that were looked at for it. What is broken is repaired if it can be; if not, the
 * checkpoints that need it are marked ({@link Checkpoint#isBroken()}) and never planned for.
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
    private final Inspection inspection;
    private final List<Checkpoint> checkpoints = new ArrayList<>();
    private final List<Checkpoint> checkpointsView = Collections.unmodifiableList(checkpoints);
    private final List<UndoLog> logs = new ArrayList<>();
    private final List<UndoLog> spareLogs = new ArrayList<>();
    private final List<Checkpoint> spareCheckpoints = new ArrayList<>();
    private final Publication publication;
    private final RollbackPlan rollbackPlan;
    private final Consumer<ExecutionState> recycler;
    private long peakBytes;

    /**
     * Makes an empty store.
     *
     * @param budgetBytes memory it may take
     * @param recycler gets each execution state that is no longer kept, cleared
     */
    public CheckpointStore(long budgetBytes, Consumer<ExecutionState> recycler) {
        this(budgetBytes, Redundancy.OFF, recycler);
    }

    /** Makes an empty store that can repair what breaks in its memory. */
    public CheckpointStore(long budgetBytes, Redundancy redundancy, Consumer<ExecutionState> recycler) {
        this(new FrameArena(budgetBytes, redundancy), recycler);
    }

    CheckpointStore(FrameArena arena, Consumer<ExecutionState> recycler) {
        this.arena = arena;
        this.mirror = new PageTable(arena);
        this.inspection = new Inspection(arena, mirror, checkpoints, logs);
        this.publication = new Publication(arena, mirror, inspection);
        this.rollbackPlan = new RollbackPlan(mirror, logs, inspection);
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
     * Takes all frames of a vector back. What is supplied comes in the order of addresses: who gives back what is left of
     * others first has neighbouring pages in neighbouring frames.
     */
    public void takeBack(LongVector frames) {
        while (!frames.isEmpty()) {
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
        moveTrusted(live, null);
        notePeak();
    }

    /**
     * Takes pages out of a capture that are as they were at the newest checkpoint; their frames can be used again. The
     * others get their checksums: this capture, unchanged, must be the next that is published.
     *
     * @param among only these are looked at
     */
    public void leaveOutUnchanged(Capture capture, PageRanges among) {
        try {
            mirror.trust();
            publication.leaveOutSame(capture, among);
        } catch (PageTable.LostException e) {
            throw unfit(e);
        }
    }

    /**
     * Makes a capture the newest checkpoint: its frames move from its vector into the mirror, and what they replace
     * becomes the undo log of the interval that has just ended. Happens as a whole or not at all.
     *
     * @param id higher than that of the newest checkpoint
     * @throws BackstepException OUT_OF_BUDGET if the machine has no memory left; store and capture are as they were, so
     *     that checkpoints can be dropped and the capture published again. UNFIT if it is not known any more which frames
     *     are the mirror's: the store is of no use until it is cleared.
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
        moveTrusted(capture, log);
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
        long pages = capture.pages().size();
        if (capture.frames().size() < pages) {
            throw new IllegalArgumentException(
                    "capture of " + pages + " pages in " + capture.frames().size() + " frames");
        }
        try {
            mirror.trust();
            arena.outsideBytes(outsideBytes());
            publication.prepare(capture, log);
        } catch (PageTable.LostException e) {
            throw unfit(e);
        } catch (OutOfMemoryError e) {
            throw new BackstepException(Reason.OUT_OF_BUDGET, "store: no memory for the tables of a capture of "
                    + pages + " pages; the store takes " + bytes() + " bytes", e);
        }
    }

    private void moveTrusted(Capture capture, UndoLog log) {
        try {
            publication.move(capture, log);
        } catch (PageTable.LostException e) {
            capture.frames().removeFirst(capture.pages().size()); // the mirror's, or its no more
            capture.saved().clear();
            throw unfit(e);
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
     * does. The frames stay the store's and are valid until it is changed. All that the plan rests on is compared with
     * its checksums, but for what the target saved by itself: that gets one with the next capture.
     *
     * @param written pages written or dropped since the newest checkpoint
     * @param saved what the target saved by itself since then
     * @param into gets the result, ascending; what was in it is cleared
     * @throws BackstepException REFUSED: something that the checkpoint needs is broken; another may be usable
     */
    public void plan(Checkpoint to, PageRanges written, PreImages saved, PageWrites into) {
        int from = indexOf(to);
        try {
            inspection.requireIntact(to, from);
            prepareRollback(from);
            rollbackPlan.make(to, from, written, saved, into);
        } catch (PageTable.LostException e) {
            inspection.loseAll();
            throw Inspection.refusal(to, e.getMessage());
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
        try {
            mirror.trust();
            for (int i = logs.size() - 1; i >= index; i--) {
                moveBackIntoMirror(logs.get(i), i);
            }
        } catch (PageTable.LostException e) { // the target is right; the next publish tells
            inspection.loseAll();
        }
        for (int i = logs.size() - 1; i >= index; i--) {
            logs.get(i).forget();
            retire(logs.remove(i));
        }
        for (int i = checkpoints.size() - 1; i > index; i--) {
            recycle(checkpoints.remove(i));
        }
        notePeak();
    }

    private void moveBackIntoMirror(UndoLog log, int index) {
        if (!inspection.inspect(log, index)) { // since the plan was made
            mirror.lose();
            throw new PageTable.LostException();
        }
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
        inspection.inspect(log, index);
        if (index == 0) {
            log.free(arena);
        } else {
            UndoLog older = logs.get(index - 1);
            inspection.inspect(older, index - 1);
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
            logs.get(i).forget();
            retire(logs.remove(i));
        }
        arena.reclaim(Owner::isLog);
        mirror.clear();
        publication.forget();
        arena.disownIllegible();
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

    /* ---- integrity ---- */

    /**
     * Looks at some more of the frames in use, and with each round over all of them at tables, logs and states.
     *
     * @param most how many frames to look at
     */
    public void scrub(long most) {
        inspection.scrub(most);
    }

    /** Frames in use: as many as a round of scrubbing looks at. */
    public long framesInUse() {
        return arena.usedFrames();
    }

    /** What was found in all the time. */
    public IntegrityCounts integrity() {
        return inspection.counts();
    }

    /** Grows whenever something is found broken or a checkpoint is lost. */
    public long newsCount() {
        return inspection.newsCount();
    }

    private BackstepException unfit(PageTable.LostException why) {
        inspection.loseAll();
        return new BackstepException(Reason.UNFIT, "store: " + why.getMessage(), why);
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
        rollbackPlan.close();
        arena.close();
    }
}
