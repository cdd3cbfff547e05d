// SPDX-License-Identifier: Apache-2.0
package io.backstep.retain;

import java.util.List;

import io.backstep.core.Checkpoint;
import io.backstep.core.Units;

/** Keeps every checkpoint that is needed for a history of a given length: just one is as old or older. Immutable. */
public record KeepSpan(long spanNs) implements Retention {
    public KeepSpan {
        if (spanNs <= 0) {
            throw new IllegalArgumentException(
                    "the history must be longer than nothing, not " + Units.formatDuration(spanNs));
        }
    }

    @Override
    public Checkpoint excess(List<Checkpoint> oldestFirst) {
        return isCoveredWithoutOldest(oldestFirst, spanNs) ? oldestFirst.get(0) : null;
    }

    /** True if the second-oldest checkpoint is there and old enough already. */
    static boolean isCoveredWithoutOldest(List<Checkpoint> oldestFirst, long spanNs) {
        int newest = oldestFirst.size() - 1;
        return newest > 0 && oldestFirst.get(newest).atNs() - oldestFirst.get(1).atNs() >= spanNs;
    }

    @Override
    public long longestNs(long intervalNs) {
        long moreNs = 2 * Math.min(intervalNs, Long.MAX_VALUE / 8);
        return spanNs > Long.MAX_VALUE - moreNs ? Long.MAX_VALUE : spanNs + moreNs;
    }

    @Override
    public String toString() {
        return "a history of " + Units.formatDuration(spanNs);
    }
}
