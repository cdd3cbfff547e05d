// SPDX-License-Identifier: Apache-2.0
package io.backstep.store;

import java.util.Arrays;

/**
 * The leaves of a page table: rows ascending by the leaf's index, one after the other. All of the rows are in one
 * checksum and nothing behind them is ever looked at, so a change anywhere is seen by {@link #isIntact()} or means
 * nothing. Asking for ascending indices is fastest. Allocates only when it grows beyond what it ever was. Not
 * thread-safe.
 *
 * <pre>
 *   row   0  index of the leaf
 *         1  entry: address of the leaf (52 bits) | slots in use (12 bits)
 *         2  checksum of what the leaf holds
 * </pre>
 */
final class LeafDirectory {
    private static final int INDEX = 0;
    private static final int ENTRY = INDEX + 1;
    private static final int CONTENT = ENTRY + 1;
    private static final int ROW = CONTENT + 1;
    private static final int INITIAL_ROWS = 64;

    private long[] words = new long[INITIAL_ROWS * ROW];
    private int end;
    private int last;
    private long sum;
    private long contentSum;

    /** Where the row of a leaf is, -1 if it has none. Rows move when one is added or removed. */
    int find(long index) {
        if (last < end && words[last + INDEX] == index) {
            return last;
        }
        int row = rowFor(index);
        if (row == end || words[row + INDEX] != index) {
            return -1;
        }
        last = row;
        return row;
    }

    /** The first row whose index is not below one. */
    private int rowFor(long index) {
        int low = 0;
        int high = end / ROW;
        while (low < high) {
            int middle = (low + high) >>> 1;
            if (words[middle * ROW + INDEX] < index) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        return low * ROW;
    }

    /** The rows from first to end, for a walk: {@code for (int row = 0; row < endRow(); row = nextRow(row))}. */
    int endRow() {
        return end;
    }

    static int nextRow(int row) {
        return row + ROW;
    }

    long index(int row) {
        return words[row + INDEX];
    }

    long entry(int row) {
        return words[row + ENTRY];
    }

    void entry(int row, long entry) {
        sum ^= share(row);
        words[row + ENTRY] = entry;
        sum ^= share(row);
    }

    /** The checksum of what the leaf holds. */
    long content(int row) {
        return words[row + CONTENT];
    }

    /** Notes a change of what the leaf holds. */
    void addToContent(int row, long share) {
        words[row + CONTENT] ^= share;
        contentSum ^= share;
    }

    /** Adds a leaf that holds nothing; returns its row. */
    int add(long index, long entry) {
        int row = rowFor(index);
        if (end == words.length) {
            words = Arrays.copyOf(words, 2 * words.length);
        }
        System.arraycopy(words, row, words, row + ROW, end - row);
        words[row + INDEX] = index;
        words[row + ENTRY] = entry;
        words[row + CONTENT] = 0;
        end += ROW;
        sum ^= share(row);
        last = row;
        return row;
    }

    /** Takes a leaf out that holds nothing any more. */
    void remove(int row) {
        sum ^= share(row);
        contentSum ^= words[row + CONTENT];
        end -= ROW;
        System.arraycopy(words, row + ROW, words, row, end - row);
    }

    private long share(int row) {
        return Mixing.mix(words[row + INDEX], words[row + ENTRY]);
    }

    /** Is in memory what was put there? Looks at all of it. */
    boolean isIntact() {
        long found = 0;
        long foundContent = 0;
        for (int row = 0; row < end; row += ROW) {
            found ^= share(row);
            foundContent ^= words[row + CONTENT];
        }
        return found == sum && foundContent == contentSum;
    }

    /** The checksum of what all leaves hold. */
    long contentSum() {
        return contentSum;
    }

    int size() {
        return end / ROW;
    }

    /** Java memory. */
    long bytes() {
        return (long) words.length * Long.BYTES;
    }

    void clear() {
        end = 0;
        last = 0;
        sum = 0;
        contentSum = 0;
    }
}
