// SPDX-License-Identifier: Apache-2.0
package io.backstep.bench.regions;

import io.backstep.core.LongVector;
import io.backstep.core.Pages;
import io.backstep.target.region.Region;

/** Where pages are copied to: as many places in turn as backstep has, which keeps three checkpoints beside the newest pages. */
final class Frames {
    private static final int SETS = 4;

    private final LongVector[] sets = new LongVector[SETS];
    private int turn;

    Frames(long count) {
        Region memory = Memory.ofSmallPages(Math.max(1, (SETS * Pages.toBytes(count) + Memory.MIB - 1) / Memory.MIB));
        long next = memory.address();
        for (int i = 0; i < SETS; i++) {
            sets[i] = new LongVector();
            for (long frame = 0; frame < count; frame++, next += Pages.PAGE_SIZE) {
                sets[i].add(next);
            }
        }
    }

    /** The address of a list of addresses. */
    long next() {
        turn = (turn + 1) % SETS;
        return sets[turn].address();
    }

    long first() {
        return sets[0].address();
    }
}
