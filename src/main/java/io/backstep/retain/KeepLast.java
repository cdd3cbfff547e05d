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

    /** The newest checkpoint with a number below the limit, or null if there is none. */
    public Checkpoint newestBelow(List<Checkpoint> oldestFirst, long idLimit) {
        for (int i = oldestFirst.size() - 1; i >= 0; i--) {
            if (oldestFirst.get(i).id() < idLimit) {
                return oldestFirst.get(i);
            }
        }
        return null;
    }
}
