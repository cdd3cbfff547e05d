// SPDX-License-Identifier: Apache-2.0
package io.backstep.retain;

import java.util.Arrays;

/**
 * Error latencies as a run observes them: some known, of others only bounds. Counts in cells of time, sixteen to each
 * doubling from 1 us on, so that its memory is bounded, however long the run: of bounds that differ the first 1,024 are
 * told apart, and of those after them only the lower one counts, which is the one that costs most to overlook. Not
 * thread-safe.
 */
public final class LatencyObservations {
    private static final int PER_DOUBLING = 16;
    private static final int DOUBLING_BITS = 4;
    private static final int FIRST_BIT = 10;
    private static final int CELLS = 1 + (Long.SIZE - 1 - FIRST_BIT) * PER_DOUBLING;
    private static final int MOST_BOUNDS = 1024;

    private final long[] known = new long[CELLS];
    private int[] from = new int[16];
    private int[] to = new int[16];
    private long[] times = new long[16];
    private int bounds;
    private long count;

    /** A latency that is known. */
    public void add(long ns) {
        known[cellOf(ns)]++;
        count++;
    }

    /**
     * A latency between two bounds. What is not bounded at all says nothing and does not count.
     *
     * @param atMostNs Long.MAX_VALUE if it has no upper bound
     */
    public void add(long atLeastNs, long atMostNs) {
        int first = cellOf(atLeastNs);
        int last = Math.max(first, atMostNs == Long.MAX_VALUE ? CELLS - 1 : cellOf(atMostNs));
        if (first == 0 && last == CELLS - 1) {
            return;
        }
        count++;
        if (!again(first, last)) {
            note(first, bounds < MOST_BOUNDS ? last : CELLS - 1);
        }
    }

    private boolean again(int first, int last) {
        for (int i = 0; i < bounds; i++) {
            if (from[i] == first && to[i] == last) {
                times[i]++;
                return true;
            }
        }
        return false;
    }

    private void note(int first, int last) {
        if (bounds >= MOST_BOUNDS && again(first, last)) {
            return;
        }
        if (bounds == from.length) {
            from = Arrays.copyOf(from, 2 * bounds);
            to = Arrays.copyOf(to, 2 * bounds);
            times = Arrays.copyOf(times, 2 * bounds);
        }
        from[bounds] = first;
        to[bounds] = last;
        times[bounds++] = 1;
    }

    /** How many there are. */
    public long count() {
        return count;
    }

    /** A copy that stays as it is. */
    public LatencyObservations copy() {
        LatencyObservations copy = new LatencyObservations();
        System.arraycopy(known, 0, copy.known, 0, CELLS);
        copy.from = from.clone();
        copy.to = to.clone();
        copy.times = times.clone();
        copy.bounds = bounds;
        copy.count = count;
        return copy;
    }

    static int cells() {
        return CELLS;
    }

    static int cellOf(long ns) {
        if (ns < 1L << FIRST_BIT) {
            return 0;
        }
        int bit = Long.SIZE - 1 - Long.numberOfLeadingZeros(ns);
        int part = (int) (ns >> bit - DOUBLING_BITS) & PER_DOUBLING - 1;
        return 1 + (bit - FIRST_BIT) * PER_DOUBLING + part;
    }

    /** Where a cell begins; for the number of cells, where the last one ends. */
    static double edgeNs(int cell) {
        if (cell == 0) {
            return 0;
        }
        int doublings = (cell - 1) / PER_DOUBLING;
        int part = (cell - 1) % PER_DOUBLING;
        return Math.scalb(1 + part / (double) PER_DOUBLING, FIRST_BIT + doublings);
    }

    long known(int cell) {
        return known[cell];
    }

    int bounds() {
        return bounds;
    }

    /** The first cell within some bounds. */
    int from(int bound) {
        return from[bound];
    }

    /** The last cell within some bounds. */
    int to(int bound) {
        return to[bound];
    }

    long times(int bound) {
        return times[bound];
    }
}
