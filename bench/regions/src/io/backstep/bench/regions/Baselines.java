// SPDX-License-Identifier: Apache-2.0
package io.backstep.bench.regions;

import com.sun.jna.Native;

/** The C functions of {@code baselines.c}. */
final class Baselines {
    static {
        Native.register(Baselines.class, "baselines");
    }

    private Baselines() {
    }

    static native long baseline_map_huge(long lengthBytes);

    static native void baseline_copy(long from, long to, long count);

    static native int baseline_watch(long address, long lengthBytes);

    static native int baseline_scan();

    static native int baseline_guard(long address, long lengthBytes);

    static native long baseline_guard_again(long frames);

    /** Zero or a count, or an errno below zero. */
    static long check(long result) {
        if (result < 0) {
            throw new IllegalStateException("errno " + -result);
        }
        return result;
    }
}
