// SPDX-License-Identifier: Apache-2.0
package io.backstep.target.vm;

import io.backstep.core.TargetEvent;
import io.backstep.core.Units;

/**
 * When something last showed that a machine gets on, and whether that is too long ago. Times are System.nanoTime.
 *
 * <p>What makes a machine stop may be in it for a while before it does: of one that has shown a sign since the last rollback
 * nobody knows whether it stops for a new reason, or for one that was restored. A state from after its last sign may hold
 * that already, and to find out takes as long as patience does, so it counts as one that does.
 */
final class SignsOfLife {
    private final String name;
    private final long patienceNs;
    private boolean isAwaited;
    private boolean hasShown; // since the last rollback
    private long latestNs; // when what makes it stop happened at the latest
    private long restoredNs;
    private long dueNs;

    /**
     * @param name what is missed, for people
     * @param patienceNs for how long it may be missing
     */
    SignsOfLife(String name, long patienceNs) {
        this.name = name;
        this.patienceNs = patienceNs;
    }

    /** There was one after a time. They are awaited from the first one on. */
    void seen(long sinceNs, long nowNs) {
        latestNs = sinceNs;
        dueNs = nowNs + patienceNs;
        hasShown = true;
        isAwaited = true;
    }

    /** The machine stood, or was made what it was: patience begins anew. Whoever shows no sign now had stopped before. */
    void anew(long beforeNs, long nowNs) {
        hasShown = false;
        restoredNs = beforeNs;
        latestNs = nowNs;
        dueNs = nowNs + patienceNs;
    }

    /** Tells of it when it is too late; once, and again after as much time. */
    boolean tellIfMissed(long nowNs, TargetEvent into) {
        if (!isAwaited || nowNs - dueNs < 0) {
            return false;
        }
        dueNs = nowNs + patienceNs;
        String detail = "no " + name + " for " + Units.formatDuration(nowNs - latestNs);
        if (hasShown) {
            into.error("heartbeat", "hang", detail, latestNs);
        } else {
            into.error("heartbeat", "hang", detail, restoredNs, latestNs);
        }
        return true;
    }
}
