// SPDX-License-Identifier: Apache-2.0
package io.backstep.core;

/**
 * A set of pages as ascending ranges, off-heap: for range i the first page and the page after the last. The layout is
 * that of the native library's ranges, so a set can be taken over from native memory as it is. Not thread-safe.
 */
public final class PageRanges implements AutoCloseable {
    private final LongVector bounds = new LongVector();

    /** Where range 0 lies, for native code. Changes when the set grows. */
    public long address() {
        return bounds.address();
    }

    public long rangeCount() {
        return bounds.size() / 2;
    }

    public boolean isEmpty() {
        return bounds.isEmpty();
    }

    public long first(long range) {
        return bounds.get(2 * range);
    }

    /** One past the last page of a range. */
    public long end(long range) {
        return bounds.get(2 * range + 1);
    }

    public long pageCount() {
        long pages = 0;
        for (long i = 0; i < rangeCount(); i++) {
            pages += end(i) - first(i);
        }
        return pages;
    }

    /** The page with this index, counted from the lowest page of the set. */
    public long page(long index) {
        long rest = index;
        for (long i = 0; i < rangeCount(); i++) {
            long length = end(i) - first(i);
            if (rest < length) {
                return first(i) + rest;
            }
            rest -= length;
        }
        throw new IndexOutOfBoundsException("page " + index + " of " + pageCount());
    }

    public boolean contains(long page) {
        long low = 0;
        long high = rangeCount();
        while (low < high) {
            long middle = (low + high) >>> 1;
            if (end(middle) <= page) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        return has(low, page);
    }

    /**
     * Walks along with pages that are asked for in ascending order.
     *
     * @param range where the walk stands, 0 at first
     * @return the first range from there on that does not end before the page, the range count if there is none
     */
    public long seek(long range, long page) {
        long found = range;
        while (found < rangeCount() && end(found) <= page) {
            found++;
        }
        return found;
    }

    /** Is the page in the set, whose {@link #seek} stands at this range? */
    public boolean has(long range, long page) {
        return range < rangeCount() && first(range) <= page;
    }

    /** Appends a range that does not start before the last one; neighbours are joined. */
    public void add(long firstPage, long endPage) {
        long last = bounds.size() - 1;
        if (last > 0 && bounds.get(last) >= firstPage) {
            assert bounds.get(last - 1) <= firstPage : "ranges must ascend";
            bounds.set(last, Math.max(bounds.get(last), endPage));
            return;
        }
        bounds.add(firstPage);
        bounds.add(endPage);
    }

    /** Replaces the content by ranges that lie at an address. */
    public void copyFrom(long address, long count) {
        bounds.copyFrom(address, 2 * count);
    }

    public void copyFrom(PageRanges other) {
        copyFrom(other.bounds.address(), other.rangeCount());
    }

    public void clear() {
        bounds.clear();
    }

    /** Makes this the set of the pages that are in one set and not in the other. */
    public void setDifference(PageRanges minuend, PageRanges subtrahend) {
        clear();
        long next = 0;
        for (long i = 0; i < minuend.rangeCount(); i++) {
            long from = minuend.first(i);
            long end = minuend.end(i);
            next = subtrahend.seek(next, from);
            for (long k = next; from < end && k < subtrahend.rangeCount() && subtrahend.first(k) < end; k++) {
                if (subtrahend.first(k) > from) {
                    add(from, subtrahend.first(k));
                }
                from = Math.max(from, subtrahend.end(k));
            }
            if (from < end) {
                add(from, end);
            }
        }
    }

    /** Makes this the set of the pages that are in either set. */
    public void setUnion(PageRanges a, PageRanges b) {
        clear();
        long i = 0;
        long k = 0;
        while (i < a.rangeCount() || k < b.rangeCount()) {
            boolean takeA = k == b.rangeCount() || (i < a.rangeCount() && a.first(i) <= b.first(k));
            PageRanges from = takeA ? a : b;
            long range = takeA ? i++ : k++;
            add(from.first(range), from.end(range));
        }
    }

    @Override
    public void close() {
        bounds.close();
    }

    @Override
    public String toString() {
        StringBuilder text = new StringBuilder("pages");
        for (long i = 0; i < rangeCount(); i++) {
            text.append(' ').append(Long.toHexString(first(i))).append('-').append(Long.toHexString(end(i)));
        }
        return text.toString();
    }
}
