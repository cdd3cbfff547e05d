// SPDX-License-Identifier: Apache-2.0
package io.backstep.disk;

import java.util.ArrayList;
import java.util.List;

import org.agrona.UnsafeApi;

/**
 * Marks, and for each the pre-images of the blocks that were written between it and the next one. Not thread-safe.
 *
 * <pre>
 *  marks       m0 ------------ m1 ------------ m2 ------------ now      newest last
 *  undo logs          l0              l1              l2                m1 is dropped: l1 goes into l0, which wins
 * </pre>
 *
 * What is kept stays within a budget: when it is used up the oldest marks go, if need be all of them.
 */
final class UndoHistory implements AutoCloseable {
    /** No mark is kept. */
    static final long NONE = -1;

    private static final int BLOCK_LONGS = Blocks.BYTES / Long.BYTES;

    private final UndoFrames frames = new UndoFrames();
    private final List<Interval> intervals = new ArrayList<>();
    private final long budgetBytes;
    private long tablesBytes;
    private long droppedForRoom;

    /** A mark, and what was written since, until the next one. */
    private static final class Interval {
        private final long mark;
        private BlockTable log = new BlockTable();

        private Interval(long mark) {
            this.mark = mark;
        }
    }

    UndoHistory(long budgetBytes) {
        this.budgetBytes = budgetBytes;
    }

    boolean isEmpty() {
        return intervals.isEmpty();
    }

    /** The kept marks, oldest first. */
    List<Long> marks() {
        return intervals.stream().map(interval -> interval.mark).toList();
    }

    long oldest() {
        return isEmpty() ? NONE : intervals.get(0).mark;
    }

    long newest() {
        return isEmpty() ? NONE : intervals.get(intervals.size() - 1).mark;
    }

    boolean isKept(long mark) {
        return indexOf(mark) >= 0;
    }

    /** What the pre-images and their tables take. */
    long usedBytes() {
        return frames.usedBytes() + tablesBytes;
    }

    /** How many marks were dropped because the budget was used up, ever. */
    long droppedForRoom() {
        return droppedForRoom;
    }

    /** Sets a mark, which must be greater than all that are kept. */
    void mark(long mark) {
        intervals.add(new Interval(mark));
    }

    /** Must a block's content be saved before it is written? */
    boolean needs(long block) {
        return !intervals.isEmpty() && !newestLog().contains(block);
    }

    /**
     * Keeps a block's content, which it had at the newest mark. Costs marks when the budget is used up.
     *
     * @param length the block's bytes that are on the disk
     */
    void save(long block, long contentAddress, int length) {
        boolean isZero = length == Blocks.BYTES && isZero(contentAddress);
        while (!intervals.isEmpty() && !hasRoom(isZero)) {
            removeAt(0);
            droppedForRoom++;
        }
        if (intervals.isEmpty()) {
            return;
        }
        long frame = BlockTable.ZEROS;
        if (!isZero) {
            frame = frames.take();
            UnsafeApi.copyMemory(contentAddress, frame, length);
        }
        put(newestLog(), block, frame);
    }

    /** Room for a frame, unless the content is zero, and for a table that grows. */
    private boolean hasRoom(boolean isZero) {
        BlockTable log = newestLog();
        long tableGrowth = (log.size() + 1) * 2 > log.slots() ? Math.max(log.sizeBytes(), Blocks.BYTES) : 0;
        long frameGrowth = isZero || frames.hasFree() ? 0 : frames.growthBytes();
        return frames.sizeBytes() + tablesBytes + tableGrowth + frameGrowth <= budgetBytes;
    }

    private static boolean isZero(long address) {
        for (int i = 0; i < BLOCK_LONGS; i++) {
            if (UnsafeApi.getLong(address + (long) i * Long.BYTES) != 0) {
                return false;
            }
        }
        return true;
    }

    /** Forgets a mark; what was saved since it serves the mark before it. Does nothing if it is not kept. */
    void drop(long mark) {
        int index = indexOf(mark);
        if (index == 0) {
            removeAt(0);
        } else if (index > 0) {
            Interval older = intervals.get(index - 1);
            BlockTable younger = intervals.remove(index).log;
            if (older.log.size() >= younger.size()) {
                addWhatIsNotIn(older.log, younger);
                discard(younger);
            } else {
                replaceBy(younger, older.log);
                discard(older.log);
                older.log = younger;
            }
        }
    }

    /** Moves the younger log's pre-images into the older one. */
    private void addWhatIsNotIn(BlockTable older, BlockTable younger) {
        for (long slot = 0; slot < younger.slots(); slot++) {
            long block = younger.blockAt(slot);
            if (block != BlockTable.ABSENT) {
                if (older.contains(block)) {
                    giveBack(younger.frameAt(slot));
                } else {
                    put(older, block, younger.frameAt(slot));
                }
            }
        }
    }

    /** Moves the older log's pre-images into the younger one. */
    private void replaceBy(BlockTable younger, BlockTable older) {
        for (long slot = 0; slot < older.slots(); slot++) {
            long block = older.blockAt(slot);
            if (block != BlockTable.ABSENT) {
                long replaced = younger.get(block);
                if (replaced != BlockTable.ABSENT) {
                    giveBack(replaced);
                }
                put(younger, block, older.frameAt(slot));
            }
        }
    }

    /** All blocks that were written since a kept mark, with the frames that hold their content of then. */
    void preImagesSince(long mark, BlockTable into) {
        for (int index = intervals.size() - 1; index >= indexOf(mark); index--) {
            BlockTable log = intervals.get(index).log;
            for (long slot = 0; slot < log.slots(); slot++) {
                long block = log.blockAt(slot);
                if (block != BlockTable.ABSENT) {
                    into.put(block, log.frameAt(slot));
                }
            }
        }
    }

    /** The disk is what it was at a kept mark: newer marks and all that was saved since are gone. */
    void rolledBackTo(long mark) {
        for (int index = indexOf(mark); intervals.size() > index;) {
            removeAt(intervals.size() - 1);
        }
        mark(mark);
    }

    void dropAll() {
        while (!intervals.isEmpty()) {
            removeAt(intervals.size() - 1);
        }
    }

    private void removeAt(int index) {
        BlockTable log = intervals.remove(index).log;
        for (long slot = 0; slot < log.slots(); slot++) {
            if (log.blockAt(slot) != BlockTable.ABSENT) {
                giveBack(log.frameAt(slot));
            }
        }
        discard(log);
    }

    private void discard(BlockTable log) {
        tablesBytes -= log.sizeBytes();
        log.close();
    }

    private void put(BlockTable log, long block, long frame) {
        tablesBytes -= log.sizeBytes();
        log.put(block, frame);
        tablesBytes += log.sizeBytes();
    }

    private void giveBack(long frame) {
        if (frame != BlockTable.ZEROS) {
            frames.giveBack(frame);
        }
    }

    private BlockTable newestLog() {
        return intervals.get(intervals.size() - 1).log;
    }

    private int indexOf(long mark) {
        for (int index = intervals.size() - 1; index >= 0; index--) {
            if (intervals.get(index).mark == mark) {
                return index;
            }
        }
        return -1;
    }

    @Override
    public void close() {
        dropAll();
        frames.close();
    }
}
