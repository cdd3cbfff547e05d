// SPDX-License-Identifier: Apache-2.0
package io.backstep.cli;

import java.util.SplittableRandom;

/** Where chance in these tests comes from: {@code -Dbackstep.seed=N} replays what was printed. */
final class Seed {
    private static final long VALUE = Long.getLong("backstep.seed", System.nanoTime());

    private Seed() {
    }

    /** The seed of a test class; printed, so that a failure can be replayed. */
    static long of(Class<?> test) {
        System.out.println(test.getSimpleName() + ": replay with -Dbackstep.seed=" + VALUE);
        return VALUE;
    }

    /** A generator of its own for one of many tries. */
    static SplittableRandom random(long seed, int index) {
        return new SplittableRandom(new SplittableRandom(seed + index).nextLong()); // near seeds give shifted sequences
    }
}
