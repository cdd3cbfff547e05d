// SPDX-License-Identifier: Apache-2.0
package io.backstep.store;

/**
 * A checksum of two words, for tables that change a word at a time. For either word fixed it is one to one in the
 * other, so a sum or exclusive or of many notices every change within one word, and any other but for one in 2^64.
 */
final class Mixing {
    private static final long MULTIPLIER = 0x9E3779B97F4A7C15L;
    private static final long FINISH = 0xBF58476D1CE4E5B9L;

    private Mixing() {
    }

    static long mix(long one, long other) {
        long mixed = one * MULTIPLIER + other;
        mixed = (mixed ^ (mixed >>> 32)) * FINISH;
        return mixed ^ (mixed >>> 29);
    }
}
