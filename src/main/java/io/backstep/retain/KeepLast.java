// SPDX-License-Identifier: Apache-2.0
package io.backstep.retain;

import java.util.List;

import io.backstep.core.Checkpoint;

/** Keeps the newest checkpoints, a fixed number of them, and tries the newest first. Immutable. */
public record KeepLast(int count) {
    public KeepLast {
        if (count < 1) {
            throw new IllegalArgumentException("at least one checkpoint must be kept, not " + count);
        }
    }

    /** The checkpoint to drop, or null while there are not too many. Oldest first. */
    public Checkpoint excess(List<Checkpoint> oldestFirst) {
        return oldestFirst.size() > count ? oldestFirst.get(0) : null;
    }

    /**
     * The newest checkpoint with a number below a limit that was taken before the error occurred, or null if there is
     * none.
     *
     * @param occurredNs when the error occurred at the latest, as far as its detector knows; by System.nanoTime
     */
    public Checkpoint newestBelow(List<Checkpoint> oldestFirst, long idLimit, long occurredNs) {
        for (int i = oldestFirst.size() - 1; i >= 0; i--) {
            Checkpoint checkpoint = oldestFirst.get(i);
            if (checkpoint.id() < idLimit && checkpoint.atNs() - occurredNs <= 0) {
                return checkpoint;
            }
        }
        return null;
    }
}
