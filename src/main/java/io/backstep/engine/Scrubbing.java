// SPDX-License-Identifier: Apache-2.0
package io.backstep.engine;

import io.backstep.store.CheckpointStore;

/**
 * When the store looks at its own memory: a little at a time, so that all frames in use are looked at once in a period,
 * but never more than {@value #MOST_FRAMES_PER_S} in a second. Not thread-safe.
 */
final class Scrubbing {
    /** As a period: the store is not looked at between rollbacks. */
    static final long NEVER = Long.MAX_VALUE;

    static final long MOST_FRAMES_PER_S = 100_000;
    /** An error that comes meanwhile waits for so many. */
    private static final long MOST_AT_ONCE = 128;
    private static final long NS_PER_S = 1_000_000_000L;

    private final long periodNs;
    private final CheckpointStore store;
    private long dueNs;

    Scrubbing(long periodNs, CheckpointStore store) {
        this.periodNs = periodNs;
        this.store = store;
    }

    void start(long nowNs) {
        dueNs = nowNs + waitNs();
    }

    boolean isDue(long nowNs) {
        return periodNs != NEVER && nowNs - dueNs >= 0;
    }

    /** When something is due; Long.MAX_VALUE for never. */
    long dueNs() {
        return periodNs == NEVER ? Long.MAX_VALUE : dueNs;
    }

    void work(long nowNs) {
        store.scrub(share());
        start(nowNs);
    }

    private long share() {
        return Math.min(MOST_AT_ONCE, Math.max(1, store.framesInUse()));
    }

    private long waitNs() {
        long share = share();
        double part = (double) share / Math.max(1, store.framesInUse());
        return (long) Math.max(periodNs * part, share * NS_PER_S / MOST_FRAMES_PER_S);
    }
}
