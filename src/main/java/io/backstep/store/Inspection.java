// SPDX-License-Identifier: Apache-2.0
package io.backstep.store;

import static io.backstep.core.Pages.PAGE_SIZE;

import io.backstep.core.BackstepException;
import io.backstep.core.BackstepException.Reason;
import io.backstep.core.Checkpoint;
import java.util.List;

/**
 * Looks whether the memory of a store is what was put there: all of it in turn, and what a rollback needs before it.
 * What is broken is repaired or costs the checkpoints that need it. Allocates nothing. Not thread-safe.
 *
 * <p>A frame that is broken in the mirror costs no checkpoint yet: while its page is not written, no rollback needs it.
 * It does when it becomes a pre-image.
 */
final class Inspection {
    /** A scrub may pass over so many labels of frames that are free for each frame that it is to look at. */
    private static final long LABELS_PER_CHECK = 16;

    private final FrameArena arena;
    private final PageTable mirror;
    private final List<Checkpoint> checkpoints;
    private final List<UndoLog> logs;
    private long scrubAt;
    private long checked;
    private long broken;
    private long repaired;
    private long checkpointsLost;

    /** Looks at what is in these lists then, log i between checkpoints i and i + 1. */
    Inspection(FrameArena arena, PageTable mirror, List<Checkpoint> checkpoints, List<UndoLog> logs) {
        this.arena = arena;
        this.mirror = mirror;
        this.checkpoints = checkpoints;
        this.logs = logs;
    }

    /**
     * Looks at some more of the frames in use, and with each round over all of them at tables, logs and states.
     *
     * @param most how many frames to look at
     */
    void scrub(long most) {
        try {
            mirror.trust();
            for (long left = most * LABELS_PER_CHECK, end = checked + most; left > 0 && checked < end; left--) {
                long frame = arena.next(scrubAt);
                if (scrubAt == 0 || frame == 0) {
                    inspectTables();
                    frame = arena.next(0);
                }
                if (frame == 0) {
                    return;
                }
                scrubAt = frame + PAGE_SIZE;
                inspectFrame(frame);
            }
        } catch (PageTable.LostException e) {
            loseAll();
        }
    }

    private void inspectTables() {
        for (int i = 0; i < checkpoints.size(); i++) {
            inspectState(i);
        }
        for (int i = 0; i < logs.size(); i++) {
            if (inspect(logs.get(i), i)) {
                inspectLabels(logs.get(i));
            }
        }
    }

    private void inspectLabels(UndoLog log) {
        for (long i = 0; i < log.size(); i++) {
            if (log.frame(i) != 0) {
                inspectLabel(log.frame(i), Owner.log(log.page(i)));
            }
        }
    }

    private void inspectFrame(long frame) {
        long owner = arena.owner(frame);
        long page = Owner.number(owner);
        if (Owner.isLeaf(owner)) {
            mirror.inspectLeaf(Owner.number(owner));
        } else if (Owner.isMirror(owner) && mirror.get(page) == frame) {
            inspectContent(frame, page, logs.size());
        } else if (Owner.isLog(owner)) {
            int log = logWith(page, frame);
            if (log >= 0) {
                inspectContent(frame, page, log);
            } else { // of a log that was broken
                arena.give(frame);
            }
        }
    }

    /** Which log has a frame for a page; -1 if none. */
    private int logWith(long page, long frame) {
        for (int i = logs.size() - 1; i >= 0; i--) {
            long index = logs.get(i).indexOf(page);
            if (index >= 0 && logs.get(i).frame(index) == frame) {
                return i;
            }
        }
        return -1;
    }

    private void inspectContent(long frame, long page, int log) {
        if (isUsable(frame, page, log) && !arena.mendSpare(frame)) {
            noteMended();
        }
    }

    /** Is the content of a frame what was sealed, or again? Of the mirror, if the log is none; else of that log. */
    private boolean isUsable(long frame, long page, int log) {
        checked++;
        if (arena.isSound(frame)) {
            return true;
        }
        if (Owner.isBroken(arena.owner(frame))) {
            return false;
        }
        broken++;
        if (arena.repair(frame)) {
            repaired++;
            return true;
        }
        arena.noteBroken(frame);
        if (log < logs.size()) {
            loseThoseThatNeed(page, log);
        }
        return false;
    }

    private void inspectLabel(long frame, long owner) {
        if (!arena.isOwnedBy(frame, owner)) {
            arena.relabel(frame, owner);
            noteMended();
        }
    }

    /**
     * Looks at execution state, logs and directory for a rollback.
     *
     * @param from the checkpoint's index
     * @throws BackstepException REFUSED: something is not what it was
     */
    void requireIntact(Checkpoint to, int from) {
        if (to.isBroken()) {
            throw refusal(to, "it was found before");
        }
        mirror.trust();
        if (!inspectState(from)) {
            throw refusal(to, "its execution state");
        }
        for (int i = logs.size() - 1; i >= from; i--) {
            if (!inspect(logs.get(i), i)) {
                throw refusal(to, "the undo log of checkpoint " + checkpoints.get(i).id());
            }
        }
    }

    /**
     * Looks at a frame for a rollback, 0 for none: of the mirror, if the log is none; else of that log.
     *
     * @throws BackstepException REFUSED: it is not what it was
     */
    void requireUsable(Checkpoint to, long page, long frame, int log) {
        if (frame == 0) {
            return;
        }
        if (log < logs.size()) {
            inspectLabel(frame, Owner.log(page));
        }
        if (!isUsable(frame, page, log)) {
            throw refusal(to, "page " + Long.toHexString(page));
        }
    }

    static BackstepException refusal(Checkpoint to, String what) {
        return new BackstepException(Reason.REFUSED, "checkpoint " + to.id() + " is broken in memory: " + what);
    }

    /** Looks at the execution state of a checkpoint; false if it is not what was saved. */
    private boolean inspectState(int index) {
        Checkpoint checkpoint = checkpoints.get(index);
        if (checkpoint.isBroken() || checkpoint.state().isIntact()) {
            return !checkpoint.isBroken();
        }
        broken++;
        lose(checkpoint);
        return false;
    }

    /**
     * Looks at a log; empties it if it is not what was written, and then false. Which frames it had is not known then:
     * they are found one by one in scrubbing.
     */
    boolean inspect(UndoLog log, int index) {
        if (log.isIntact()) {
            return true;
        }
        broken++;
        log.forget();
        loseAllUpTo(index);
        return false;
    }

    /** As the other, of a pre-image in the newest log. */
    void loseThoseThatNeedNewest(long page) {
        loseThoseThatNeed(page, logs.size() - 1);
    }

    /** A page's pre-image in a log is needed by the checkpoints before it, back to the first that has an older one. */
    private void loseThoseThatNeed(long page, int log) {
        int index = log;
        lose(checkpoints.get(index));
        while (index > 0 && logs.get(index - 1).indexOf(page) < 0) {
            lose(checkpoints.get(--index));
        }
    }

    /** No kept checkpoint can be restored. */
    void loseAll() {
        loseAllUpTo(checkpoints.size() - 1);
    }

    private void loseAllUpTo(int index) {
        for (int i = index; i >= 0; i--) {
            lose(checkpoints.get(i));
        }
    }

    private void lose(Checkpoint checkpoint) {
        if (!checkpoint.isBroken()) {
            checkpoint.noteBroken();
            checkpointsLost++;
        }
    }

    private void noteMended() {
        broken++;
        repaired++;
    }

    /** The table counts for itself what it mended. */
    IntegrityCounts counts() {
        return new IntegrityCounts(checked, broken + mirror.mended(), repaired + mirror.mended(), checkpointsLost);
    }

    /** Grows whenever something is found broken or a checkpoint is lost. */
    long newsCount() {
        return broken + mirror.mended() + checkpointsLost;
    }
}
