// SPDX-License-Identifier: Apache-2.0
package io.backstep.retain;

import java.util.List;

import io.backstep.core.Checkpoint;

/** Keeps the newest checkpoints, a fixed number of them. Immutable. */
public record KeepLast(int count) implements Retention {
    public KeepLast {
        if (count < 1) {
            throw new IllegalArgumentException("at least one checkpoint must be kept, not " + count);
        }
    }

    @Override
    public Checkpoint excess(List<Checkpoint> oldestFirst) {
        return oldestFirst.size() > count ? oldestFirst.get(0) : null;
    }

    @Override
    public long longestNs(long intervalNs) {
        return intervalNs > Long.MAX_VALUE / count ? Long.MAX_VALUE : intervalNs * count;
    }

    @Override
    public String toString() {
        return "the last " + count;
    }
}
