// SPDX-License-Identifier: Apache-2.0
package io.backstep.junit;

import java.util.SplittableRandom;

/**
 * What was injected before a run of a {@link BackstepTest}.
 *
 * @param seed what the choice came from
 * @param offset of the word of eight bytes in the region
 * @param mask the bits of it that were inverted
 */
public record BitFlip(long seed, long offset, long mask) {
    static BitFlip of(long seed, long regionBytes, int bits) {
        SplittableRandom random = new SplittableRandom(seed);
        long offset = random.nextLong(regionBytes / Long.BYTES) * Long.BYTES;
        long mask = 0;
        while (Long.bitCount(mask) < bits) {
            mask |= 1L << random.nextInt(Long.SIZE);
        }
        return new BitFlip(seed, offset, mask);
    }

    @Override
    public String toString() {
        return String.format("bits %x at %d, seed %d", mask, offset, seed);
    }
}
