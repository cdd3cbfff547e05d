// SPDX-License-Identifier: Apache-2.0
package io.backstep.engine;

/**
 * When captures are due: at whole intervals after the start, so that a late capture does not shift those after it.
 * Intervals that have passed are skipped, never made up for.
 */
final class IntervalTimer {
    private long intervalNs;
    private long dueNs;
    private long skipped;

    IntervalTimer(long intervalNs) {
        this.intervalNs = intervalNs;
    }

    /** The first capture after this is due one interval from now. */
    void start(long nowNs) {
        dueNs = nowNs + intervalNs;
    }

    /** From the next {@link #advance} on. */
    void interval(long newIntervalNs) {
        intervalNs = newIntervalNs;
    }

    long dueNs() {
        return dueNs;
    }

    boolean isDue(long nowNs) {
        return nowNs - dueNs >= 0;
    }

    /** A capture was tried: the next one is due at the first whole interval that is still to come. */
    void advance(long nowNs) {
        long passed = (nowNs - dueNs) / intervalNs;
        dueNs += (passed + 1) * intervalNs;
        skipped += passed;
    }

    /** Whole intervals in which no capture was tried. */
    long skipped() {
        return skipped;
    }
}
