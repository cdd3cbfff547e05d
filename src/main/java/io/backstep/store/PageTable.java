// SPDX-License-Identifier: Apache-2.0
package io.backstep.store;

import static io.backstep.core.Pages.PAGE_SIZE;

import io.backstep.core.LongVector;
import io.backstep.core.Pages;
import org.agrona.UnsafeApi;

/**
 * Which frame holds a page. Asking for pages in ascending order is fastest. Allocates Java memory only while the number
 * of leaves grows beyond what it ever was. Not thread-safe.
 *
 * <pre>
 *   page number      leaf index (the upper bits) | slot (9 bits)
 *   directory        leaf index -&gt; leaf, slots in use, checksum
 *   leaf             512 addresses of frames, 0 for none; the leaf itself is a frame of the arena
 * </pre>
 *
 * <p>It notices when its memory was struck, and mends itself. The directory is compared with its checksum before it is
 * used. A frame that is found in a leaf must carry a label with the page; that there is none is believed only of a leaf
 * whose checksum holds. Between label and leaf that checksum decides: if it holds, the label is written anew, else the
 * whole table is, from the labels of all frames. What comes out of that must be what was put in, by the checksum of
 * all leaves together; otherwise the table is lost until it is cleared.
 */
final class PageTable {
    /** The table was struck in so many places that it is not known any more what was in it. */
    static final class LostException extends RuntimeException {
        private static final long serialVersionUID = 1;

        LostException() {
            super("the table of the mirror is broken beyond repair");
        }
    }

    private static final int LEAF_SHIFT = 9;
    private static final long LEAF_PAGES = 1L << LEAF_SHIFT;
    private static final long COUNT_MASK = PAGE_SIZE - 1;
    private static final long NO_LEAF = -1;

    private final FrameArena arena;
    private final LeafDirectory directory = new LeafDirectory();
    private long frames;
    private boolean lost;
    private long mended;
    /** The leaf that was compared with its checksum last. */
    private long trustedIndex = NO_LEAF;

    PageTable(FrameArena arena) {
        this.arena = arena;
    }

    /**
     * Looks at the directory, mends it if need be, and looks at leaves anew from now on. To be called when others had
     * time to strike, before anything else is asked.
     *
     * @throws LostException it cannot be mended, or could not be
     */
    void trust() {
        requireContent();
        trustedIndex = NO_LEAF;
        if (!directory.isIntact()) {
            rebuild();
        }
    }

    /** The frame of a page, 0 for none. */
    long get(long page) {
        int row = row(page);
        if (row < 0) {
            return 0;
        }
        long frame = UnsafeApi.getLong(slot(row, page));
        if (frame != 0 && arena.isOwnedBy(frame, Owner.mirror(page))) {
            return frame;
        }
        if (frame != 0) { // that a leaf was looked at before does not count against this
            trustedIndex = NO_LEAF;
        }
        return trustLeaf(row) ? trusted(page, frame) : get(page);
    }

    /** What a right leaf says. */
    private long trusted(long page, long frame) {
        if (frame != 0 && !arena.isOwnedBy(frame, Owner.mirror(page))) {
            arena.relabel(frame, Owner.mirror(page));
            mended++;
        }
        return frame;
    }

    /** Sets the frame of a page, a sealed one, writes that on its label, and returns the frame that the page had, or 0. */
    long put(long page, long frame) {
        long old = get(page);
        enter(page, old, frame);
        arena.own(frame, Owner.mirror(page));
        return old;
    }

    /** As putting a frame whose content is new and has its checksum; it is sealed now. */
    long putNew(long page, long frame) {
        long old = get(page);
        enter(page, old, frame);
        arena.sealSummed(frame, Owner.mirror(page));
        return old;
    }

    private void enter(long page, long old, long frame) {
        assert frame != 0;
        int row = row(page);
        if (row < 0) {
            row = addLeaf(page >>> LEAF_SHIFT);
        }
        set(row, page, old, frame);
        if (old == 0) {
            frames++;
            directory.entry(row, directory.entry(row) + 1);
        }
    }

    /** Takes a page's frame away and returns it, 0 for none. */
    long remove(long page) {
        long old = get(page);
        if (old == 0) {
            return 0;
        }
        int row = row(page);
        boolean isLast = inUse(row) == 1;
        if (isLast && !trustLeaf(row)) {
            return remove(page);
        }
        set(row, page, old, 0);
        frames--;
        if (isLast) {
            arena.give(leaf(row));
            directory.remove(row);
        } else {
            directory.entry(row, directory.entry(row) - 1);
        }
        return old;
    }

    private void set(int row, long page, long old, long frame) {
        UnsafeApi.putLong(slot(row, page), frame);
        directory.addToContent(row, share(page, old) ^ share(page, frame));
    }

    /** What a slot adds to the checksum of its leaf. */
    private static long share(long page, long frame) {
        return frame == 0 ? 0 : Mixing.mix(page, frame);
    }

    /** The first page from one on, and before an end, that has a frame; the end if there is none. */
    long next(long from, long end) {
        long page = from;
        while (page < end) {
            int row = row(page);
            long leafEnd = Math.min(end, (page | (LEAF_PAGES - 1)) + 1);
            if (row >= 0 && !trustLeaf(row)) {
                continue;
            }
            if (row < 0 || inUse(row) == 0) {
                page = leafEnd;
            }
            for (; page < leafEnd; page++) {
                if (UnsafeApi.getLong(slot(row, page)) != 0) {
                    return page;
                }
            }
        }
        return end;
    }

    /** Makes the leaves for ascending pages that have a frame beside them, so that putting these cannot fail. */
    void prepare(LongVector pages, LongVector beside) {
        long prepared = NO_LEAF;
        for (long i = 0; i < pages.size(); i++) {
            long index = pages.get(i) >>> LEAF_SHIFT;
            if (index != prepared && beside.get(i) != 0) {
                prepared = index;
                if (row(pages.get(i)) < 0) {
                    addLeaf(index);
                }
            }
        }
    }

    /** Gives all frames back to the arena. */
    void clear() {
        arena.reclaim(owner -> Owner.isMirror(owner) || Owner.isLeaf(owner));
        directory.clear();
        trustedIndex = NO_LEAF;
        frames = 0;
        lost = false;
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
        return directory.bytes();
    }

    /** The directory's row for a page, -1 for none. */
    private int row(long page) {
        return directory.find(page >>> LEAF_SHIFT);
    }

    private int addLeaf(long index) {
        arena.demandFree(1);
        long leaf = arena.take();
        UnsafeApi.setMemory(leaf, PAGE_SIZE, (byte) 0);
        arena.own(leaf, Owner.leaf(index));
        return directory.add(index, leaf);
    }

    private long leaf(int row) {
        return directory.entry(row) & ~COUNT_MASK;
    }

    private long inUse(int row) {
        return directory.entry(row) & COUNT_MASK;
    }

    private long slot(int row, long page) {
        return leaf(row) + (page & (LEAF_PAGES - 1)) * Long.BYTES;
    }

    /* ---- trust ---- */

    /** How often label, leaf or directory was found wrong and made right, in all the time. */
    long mended() {
        return mended;
    }

    /** It is not known any more what the table should hold. */
    void lose() {
        lost = true;
    }

    private void requireContent() {
        if (lost) {
            throw new LostException();
        }
    }

    /** Compares a leaf with its checksum, once; false if the table is another now. */
    private boolean trustLeaf(int row) {
        long index = directory.index(row);
        if (index == trustedIndex) {
            return true;
        }
        if (!isLeafIntact(row)) {
            rebuild();
            return false;
        }
        if (!arena.isOwnedBy(leaf(row), Owner.leaf(index))) { // the directory is right: what was struck is the label
            arena.own(leaf(row), Owner.leaf(index));
            mended++;
        }
        trustedIndex = index;
        return true;
    }

    private boolean isLeafIntact(int row) {
        long found = 0;
        long page = directory.index(row) << LEAF_SHIFT;
        for (long slot = leaf(row), end = slot + PAGE_SIZE; slot < end; slot += Long.BYTES) {
            found ^= share(page++, UnsafeApi.getLong(slot));
        }
        return found == directory.content(row);
    }

    /** Looks at a leaf and at the labels of all frames in it, and mends what is wrong. */
    void inspectLeaf(long index) {
        trustedIndex = NO_LEAF;
        long end = (index + 1) << LEAF_SHIFT;
        for (long page = next(index << LEAF_SHIFT, end); page < end; page = next(page + 1, end)) {
            get(page);
        }
    }

    /** Makes the table anew from what the labels of all frames say, those that are illegible from leaves that are right. */
    private void rebuild() {
        requireContent();
        lost = true; // unless this comes to its end
        for (int row = 0; row < directory.endRow(); row = LeafDirectory.nextRow(row)) {
            if (arena.has(leaf(row)) && isLeafIntact(row)) {
                relabel(row);
            }
        }
        long expectedFrames = frames;
        long expectedContent = directory.contentSum();
        directory.clear();
        frames = 0;
        trustedIndex = NO_LEAF;
        arena.reclaim(Owner::isLeaf);
        for (long frame = arena.next(0); frame != 0; frame = arena.next(frame + PAGE_SIZE)) {
            if (Owner.isMirror(arena.owner(frame))) {
                enterOnce(Owner.number(arena.owner(frame)), frame);
            }
        }
        if (frames != expectedFrames || directory.contentSum() != expectedContent) {
            throw new LostException();
        }
        lost = false;
        mended++;
    }

    private void relabel(int row) {
        arena.own(leaf(row), Owner.leaf(directory.index(row)));
        long page = directory.index(row) << LEAF_SHIFT;
        for (long slot = leaf(row), end = slot + PAGE_SIZE; slot < end; slot += Long.BYTES, page++) {
            long frame = UnsafeApi.getLong(slot);
            if (frame != 0) {
                trusted(page, frame);
            }
        }
    }

    private void enterOnce(long page, long frame) {
        int row = row(page);
        if (row >= 0 && UnsafeApi.getLong(slot(row, page)) != 0) {
            throw new LostException();
        }
        enter(page, 0, frame);
    }
}
