// SPDX-License-Identifier: Apache-2.0
package io.backstep.target.vm;

import io.backstep.core.TargetEvent;
import io.backstep.core.Units;

/**
 * When something last showed that a machine gets on, and whether that is too long ago. What makes it stop happened between
 * its last sign of life and the one before, or as much later as signs are apart at most. Times are System.nanoTime.
 */
final class SignsOfLife {
    private final String name;
    private final long patienceNs;
    private boolean isAwaited;
    private boolean hasShown; // since the last rollback
    private long earliestNs;
    private long latestNs;
    private long longestGapNs;
    private long dueNs;

    /**
     * @param name what is missed, for people
     * @param patienceNs for how long it may be missing
     */
    SignsOfLife(String name, long patienceNs) {
        this.name = name;
        this.patienceNs = patienceNs;
    }

    /** There was one. They are awaited from the first one on. */
    void seen(long nowNs) {
        if (hasShown) {
            longestGapNs = Math.max(longestGapNs, nowNs - latestNs);
        }
        earliestNs = hasShown ? latestNs : nowNs;
        latestNs = nowNs;
        dueNs = nowNs + patienceNs;
        hasShown = true;
        isAwaited = true;
    }

    /** The machine stood, or was made what it was: patience begins anew. Whoever shows no sign now had stopped before. */
    void anew(long beforeNs, long nowNs) {
        hasShown = false;
        earliestNs = beforeNs;
        latestNs = nowNs;
        dueNs = nowNs + patienceNs;
    }

    /** Tells of it when it is too late; once, and again after as much time. */
    boolean tellIfMissed(long nowNs, TargetEvent into) {
        if (!isAwaited || nowNs - dueNs < 0) {
            return false;
        }
        dueNs = nowNs + patienceNs;
        into.error("heartbeat", "hang", "no " + name + " for " + Units.formatDuration(nowNs - latestNs), earliestNs,
                Math.min(nowNs, latestNs + longestGapNs));
        return true;
    }
}
