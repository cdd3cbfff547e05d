// SPDX-License-Identifier: Apache-2.0
package io.backstep.disk;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.List;
import java.util.concurrent.locks.ReadWriteLock;
import java.util.concurrent.locks.ReentrantReadWriteLock;
import java.util.function.Consumer;

import io.backstep.core.BackstepException;
import io.backstep.core.BackstepException.Reason;
import org.agrona.BufferUtil;

/**
 * An image whose writes can be taken back. While marks are kept, a write saves what it replaces, once per block and
 * interval, and goes on to the image. Thread-safe: reads run beside each other, everything that changes the image or
 * the marks runs alone, and a flush holds up neither.
 */
final class Disk implements AutoCloseable {
    /** The most bytes that a read or a write may have. */
    static final int PIECE_BYTES = 1 << 18;

    private static final int SCRATCH_BYTES = PIECE_BYTES + 2 * Blocks.BYTES;
    private static final long CLEARED_BYTES = 1 << 30;
    /** Saving what a discard gives up is dear; a discard is a mere hint. */
    private static final long DISCARD_SAVED_LIMIT = 64 << 20;

    private final Image image;
    private final boolean isReadOnly;
    private final UndoHistory history;
    private final RollbackJournal journal;
    private final ReadFaults faults = new ReadFaults();
    private final Consumer<String> warnings;
    private final ReadWriteLock lock = new ReentrantReadWriteLock();
    private final Object flushing = new Object();
    private final ByteBuffer scratch;
    private final long scratchAddress;
    private volatile String broken;
    /** Was anything written since the last flush? A server before us may have, so it begins so. */
    private volatile boolean isDirty = true;
    private boolean isClosed;

    /**
     * Takes an image over; completes a rollback that was cut short.
     *
     * @param journal of that image; null for an image that is only read
     */
    Disk(Image image, RollbackJournal journal, long budgetBytes, Consumer<String> warnings) {
        this.image = image;
        this.journal = journal;
        this.warnings = warnings;
        isReadOnly = journal == null;
        history = new UndoHistory(budgetBytes);
        scratch = newScratch();
        scratchAddress = BufferUtil.address(scratch);
    }

    static ByteBuffer newScratch() {
        return ByteBuffer.allocateDirect(SCRATCH_BYTES);
    }

    long sizeBytes() {
        return image.sizeBytes();
    }

    boolean isReadOnly() {
        return isReadOnly;
    }

    ReadFaults faults() {
        return faults;
    }

    /** Fills a direct buffer, from position to limit. */
    void read(ByteBuffer into, long offset) throws IOException {
        int start = into.position();
        lock.readLock().lock();
        try {
            requireUsable();
            image.read(into, offset);
        } finally {
            lock.readLock().unlock();
        }
        faults.apply(into, start, offset, into.position() - start);
    }

    /** Writes a direct buffer of at most {@link #PIECE_BYTES}, from position to limit. */
    void write(ByteBuffer from, long offset) throws IOException {
        lock.writeLock().lock();
        try {
            requireUsable();
            save(offset, offset + from.remaining());
            image.write(from, offset);
        } finally {
            isDirty = true;
            lock.writeLock().unlock();
        }
    }

    /** Lets a range read as zeros. Others get a turn between its pieces. */
    void zero(long offset, long length, boolean holesWanted) throws IOException {
        long end = offset + length;
        for (long at = offset; at < end;) {
            lock.writeLock().lock();
            try {
                requireUsable();
                if (holesWanted) {
                    at = image.dataFrom(at, end); // what is a hole already needs neither saving nor zeros
                }
                long pieceEnd = pieceEnd(at, end);
                if (at < pieceEnd) {
                    saveData(at, pieceEnd);
                    image.zero(at, pieceEnd - at, holesWanted);
                }
                at = pieceEnd;
            } finally {
                isDirty = true;
                lock.writeLock().unlock();
            }
        }
    }

    /** Gives up a range's content, as far as that is cheap. */
    void discard(long offset, long length) throws IOException {
        long first = Blocks.offset(Blocks.of(offset + Blocks.BYTES - 1));
        long end = offset + length == sizeBytes() ? sizeBytes() : Blocks.offset(Blocks.of(offset + length));
        if (first >= end || hasMarks() && dataBytes(first, end) > DISCARD_SAVED_LIMIT) {
            return;
        }
        for (long at = first; at < end;) {
            lock.writeLock().lock();
            try {
                requireUsable();
                at = image.dataFrom(at, end);
                long pieceEnd = pieceEnd(at, end);
                if (at < pieceEnd) {
                    saveData(at, pieceEnd);
                    image.discard(at, pieceEnd - at);
                }
                at = pieceEnd;
            } finally {
                isDirty = true;
                lock.writeLock().unlock();
            }
        }
    }

    /** What can be done in one go: as much as can be saved, or a lot if nothing is. */
    private long pieceEnd(long offset, long end) {
        return Math.min(end, offset + (history.isEmpty() ? CLEARED_BYTES : PIECE_BYTES));
    }

    private boolean hasMarks() {
        lock.readLock().lock();
        try {
            return !history.isEmpty();
        } finally {
            lock.readLock().unlock();
        }
    }

    private long dataBytes(long offset, long end) throws IOException {
        long bytes = 0;
        for (long at = image.dataFrom(offset, end); at < end && bytes <= DISCARD_SAVED_LIMIT;) {
            long until = image.dataUntil(at, end);
            bytes += until - at;
            at = until < end ? image.dataFrom(until, end) : end;
        }
        return bytes;
    }

    /** Saves the parts of a range that are not holes: that is for what becomes zeros. */
    private void saveData(long offset, long end) throws IOException {
        if (history.isEmpty()) {
            return;
        }
        for (long at = image.dataFrom(offset, end); at < end;) {
            long until = image.dataUntil(at, end);
            save(at, until);
            at = until < end ? image.dataFrom(until, end) : end;
        }
    }

    /** Saves the blocks that a range touches, as far as they are not saved since the newest mark. */
    private void save(long offset, long end) {
        if (history.isEmpty()) {
            return;
        }
        long lastBlock = Blocks.of(end - 1);
        for (long block = Blocks.of(offset); block <= lastBlock;) {
            if (!history.needs(block)) {
                block++;
                continue;
            }
            long runEnd = block + 1;
            while (runEnd <= lastBlock && history.needs(runEnd)) {
                runEnd++;
            }
            saveRun(block, runEnd);
            block = runEnd;
        }
    }

    private void saveRun(long firstBlock, long endBlock) {
        long dropped = history.droppedForRoom();
        long runOffset = Blocks.offset(firstBlock);
        long runEnd = Math.min(Blocks.offset(endBlock), sizeBytes());
        try {
            image.read(scratch.clear().limit((int) (runEnd - runOffset)), runOffset);
        } catch (IOException e) {
            history.dropAll();
            warnings.accept("what a write replaces cannot be read, so all marks were dropped: " + e.getMessage());
            return;
        }
        for (long block = firstBlock; block < endBlock && !history.isEmpty(); block++) {
            history.save(block, scratchAddress + Blocks.offset(block) - runOffset, Blocks.length(block, sizeBytes()));
        }
        if (dropped == 0 && history.droppedForRoom() > 0) {
            warnings.accept("the memory budget is used up, so the oldest marks are dropped from now on when need be");
        }
    }

    /**
     * Returns when all writes that were done before are on stable storage, and with them a rollback: a flush must not
     * be followed by a restart that takes back what was flushed. Costs nothing if nothing was written: QEMU flushes
     * whenever it stops a guest.
     */
    void flush() throws IOException {
        synchronized (flushing) {
            requireWhole();
            boolean isSettled = journal == null || !journal.isApplied();
            if (isDirty) {
                isDirty = false; // before: what is written from now on needs a flush of its own
                try {
                    image.flush();
                } catch (IOException e) {
                    isDirty = true;
                    throw e;
                }
            }
            if (!isSettled) {
                journal.remove();
            }
        }
    }

    /** Sets a mark: all writes that were done by now are before it. */
    void mark(long mark) {
        lock.writeLock().lock();
        try {
            requireMarks();
            if (mark < 0 || mark <= history.newest()) {
                throw refused("mark " + mark + " must be greater than the newest one, " + history.newest());
            }
            history.mark(mark);
        } finally {
            lock.writeLock().unlock();
        }
    }

    /** Forgets a mark. One that was dropped before for lack of memory is no error. */
    void drop(long mark) {
        lock.writeLock().lock();
        try {
            requireMarks();
            if (mark > history.newest() && !history.isEmpty()) {
                throw refused("mark " + mark + " was never set; the newest one is " + history.newest());
            }
            history.drop(mark);
        } finally {
            lock.writeLock().unlock();
        }
    }

    void dropAll() {
        lock.writeLock().lock();
        try {
            history.dropAll();
        } finally {
            lock.writeLock().unlock();
        }
    }

    /**
     * Makes the disk what it was at a mark, bit for bit. Newer marks vanish, this one stays.
     *
     * @return how many blocks were put back
     * @throws BackstepException REFUSED, FAILED: the disk was not touched; BROKEN: it was, and serves nobody any more
     */
    int rollback(long mark) {
        lock.writeLock().lock();
        try (BlockTable table = new BlockTable()) {
            requireMarks();
            if (!history.isKept(mark)) {
                throw refused("mark " + mark + " is not kept; kept are " + history.marks());
            }
            history.preImagesSince(mark, table);
            PreImages preImages = PreImages.of(table);
            if (preImages.count() > 0) {
                writeDown(preImages);
                apply(preImages);
            }
            history.rolledBackTo(mark);
            return preImages.count();
        } finally {
            lock.writeLock().unlock();
        }
    }

    private void writeDown(PreImages preImages) {
        try {
            synchronized (flushing) {
                if (journal.isApplied()) {
                    flush(); // the rollback before this one must not be forgotten before it is on stable storage
                }
                journal.write(preImages);
            }
        } catch (IOException e) {
            throw new BackstepException(Reason.FAILED,
                    "cannot write the rollback down in " + journal.path() + ": " + e.getMessage(), e);
        }
    }

    private void apply(PreImages preImages) {
        try {
            preImages.applyTo(image, scratch);
            isDirty = true;
            journal.applied();
            if (!image.outlivesUs()) {
                flush();
            }
        } catch (IOException e) {
            broken = "a rollback of the disk failed halfway: " + e.getMessage();
            warnings.accept(broken + "; a restart of this server completes it");
            throw new BackstepException(Reason.BROKEN, broken, e);
        }
    }

    List<Long> marks() {
        lock.readLock().lock();
        try {
            return history.marks();
        } finally {
            lock.readLock().unlock();
        }
    }

    long oldestMark() {
        lock.readLock().lock();
        try {
            return history.oldest();
        } finally {
            lock.readLock().unlock();
        }
    }

    long undoBytes() {
        lock.readLock().lock();
        try {
            return history.usedBytes();
        } finally {
            lock.readLock().unlock();
        }
    }

    private void requireMarks() {
        if (isReadOnly) {
            throw refused("the disk is read-only");
        }
        if (broken != null) {
            throw new BackstepException(Reason.BROKEN, broken);
        }
    }

    private void requireUsable() throws IOException {
        if (isClosed) {
            throw new IOException("the disk is closed");
        }
        requireWhole();
    }

    private void requireWhole() throws IOException {
        if (broken != null) {
            throw new IOException(broken);
        }
    }

    private static BackstepException refused(String why) {
        return new BackstepException(Reason.REFUSED, why);
    }

    /** Waits for what is being done, flushes and closes the image. */
    @Override
    public void close() throws IOException {
        lock.writeLock().lock();
        try {
            if (isClosed) {
                return;
            }
            isClosed = true;
            history.close();
            try {
                if (!isReadOnly && broken == null) {
                    flush();
                }
            } finally {
                if (journal != null) {
                    journal.close();
                }
                image.close();
            }
        } finally {
            lock.writeLock().unlock();
        }
    }
}
