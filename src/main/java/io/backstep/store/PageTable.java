// SPDX-License-Identifier: Apache-2.0
package io.backstep.store;

import static io.backstep.core.Pages.PAGE_SIZE;

import io.backstep.core.LongVector;
import io.backstep.core.Pages;
import org.agrona.UnsafeApi;
import org.agrona.collections.Long2LongHashMap;

/**
 * Which frame holds a page. Asking for pages in ascending order is fastest. Allocates Java memory only while the number
 * of leaves grows beyond what it ever was. Not thread-safe.
 *
 * <pre>
 *   page number      leaf index (the upper bits)                   | slot (9 bits)
 *   directory        leaf index -&gt; address of the leaf (52 bits)   | slots in use (12 bits)
 *   leaf             512 addresses of frames, 0 for none; the leaf itself is a frame of the arena
 * </pre>
 */
final class PageTable {
    private static final int LEAF_SHIFT = 9;
    private static final long LEAF_PAGES = 1L << LEAF_SHIFT;
    private static final long COUNT_MASK = PAGE_SIZE - 1;
    private static final float LOAD_FACTOR = 0.65f;

    private final FrameArena arena;
    private final Long2LongHashMap directory = new Long2LongHashMap(64, LOAD_FACTOR, 0);
    private long frames;
    // The directory's entry that was asked for last.
    private long lastIndex = -1;
    private long lastEntry;

    PageTable(FrameArena arena) {
        this.arena = arena;
    }

    /** The frame of a page, 0 for none. */
    long get(long page) {
        long entry = entry(page >>> LEAF_SHIFT);
        return entry == 0 ? 0 : UnsafeApi.getLong(slot(entry, page));
    }

    /** Sets the frame of a page and returns the one it had, 0 for none. */
    long put(long page, long frame) {
        assert frame != 0;
        long index = page >>> LEAF_SHIFT;
        long entry = entry(index);
        if (entry == 0) {
            entry = addLeaf(index);
        }
        long slot = slot(entry, page);
        long old = UnsafeApi.getLong(slot);
        UnsafeApi.putLong(slot, frame);
        if (old == 0) {
            frames++;
            setEntry(index, entry + 1);
        }
        return old;
    }

    /** Takes a page's frame away and returns it, 0 for none. */
    long remove(long page) {
        long index = page >>> LEAF_SHIFT;
        long entry = entry(index);
        if (entry == 0) {
            return 0;
        }
        long slot = slot(entry, page);
        long old = UnsafeApi.getLong(slot);
        if (old == 0) {
            return 0;
        }
        UnsafeApi.putLong(slot, 0);
        frames--;
        if ((entry & COUNT_MASK) == 1) {
            directory.remove(index);
            lastEntry = 0;
            arena.give(leaf(entry));
        } else {
            setEntry(index, entry - 1);
        }
        return old;
    }

    /** The first page from one on, and before an end, that has a frame; the end if there is none. */
    long next(long from, long end) {
        long page = from;
        while (page < end) {
            long entry = entry(page >>> LEAF_SHIFT);
            long leafEnd = Math.min(end, (page | (LEAF_PAGES - 1)) + 1);
            if ((entry & COUNT_MASK) == 0) {
                page = leafEnd;
            }
            for (; page < leafEnd; page++) {
                if (UnsafeApi.getLong(slot(entry, page)) != 0) {
                    return page;
                }
            }
        }
        return end;
    }

    /** Makes the leaves for ascending pages that have a frame beside them, so that putting these cannot fail. */
    void prepare(LongVector pages, LongVector beside) {
        long prepared = -1;
        for (long i = 0; i < pages.size(); i++) {
            long index = pages.get(i) >>> LEAF_SHIFT;
            if (index != prepared && beside.get(i) != 0) {
                prepared = index;
                if (entry(index) == 0) {
                    addLeaf(index);
                }
            }
        }
    }

    /** Gives all frames back to the arena. */
    void clear() {
        directory.forEachLong((index, entry) -> {
            for (long slot = leaf(entry); slot < leaf(entry) + PAGE_SIZE; slot += Long.BYTES) {
                long frame = UnsafeApi.getLong(slot);
                if (frame != 0) {
                    arena.give(frame);
                }
            }
            arena.give(leaf(entry));
        });
        directory.clear();
        lastEntry = 0;
        frames = 0;
    }

    /** How many pages have a frame. */
    long frames() {
        return frames;
    }

    /** How many frames the table itself takes. */
    long leaves() {
        return directory.size();
    }

    /** What the table takes: leaves and directory. */
    long bytes() {
        return Pages.toBytes(leaves()) + directoryBytes();
    }

    /** Java memory of the directory. */
    long directoryBytes() {
        return 2L * Long.BYTES * directory.capacity();
    }

    private long entry(long index) {
        if (index != lastIndex) {
            lastEntry = directory.get(index);
            lastIndex = index;
        }
        return lastEntry;
    }

    private void setEntry(long index, long entry) {
        directory.put(index, entry);
        lastIndex = index;
        lastEntry = entry;
    }

    private long addLeaf(long index) {
        arena.demandFree(1);
        long leaf = arena.take();
        UnsafeApi.setMemory(leaf, PAGE_SIZE, (byte) 0);
        setEntry(index, leaf);
        return leaf;
    }

    private static long leaf(long entry) {
        return entry & ~COUNT_MASK;
    }

    private static long slot(long entry, long page) {
        return leaf(entry) + (page & (LEAF_PAGES - 1)) * Long.BYTES;
    }
}
