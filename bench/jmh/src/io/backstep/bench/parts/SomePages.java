// SPDX-License-Identifier: Apache-2.0
package io.backstep.bench.parts;

import java.util.SplittableRandom;

import io.backstep.core.LongVector;

/** Sets of ascending pages at random places of a range, in turn; two in a row have some pages in common. */
final class SomePages {
    private static final int SETS = 8;
    private static final long SEED = 1;

    private final LongVector[] sets = new LongVector[SETS];
    private int turn;

    /** @param count of each set, no more than half of the range */
    SomePages(long firstPage, long pages, long count) {
        SplittableRandom random = new SplittableRandom(SEED);
        long stride = pages / count;
        for (int i = 0; i < SETS; i++) {
            sets[i] = new LongVector();
            for (long page = 0; page < count; page++) {
                sets[i].add(firstPage + page * stride + random.nextLong(Math.min(stride, 2)));
            }
        }
    }

    LongVector next() {
        turn = (turn + 1) % SETS;
        return sets[turn];
    }

    LongVector now() {
        return sets[turn];
    }
}
