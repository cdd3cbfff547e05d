// SPDX-License-Identifier: Apache-2.0
package io.backstep.bench.jmh;

import com.sun.jna.Native;

/** The C functions of {@code baselines.c}. */
public final class Baselines {
    static {
        Native.register(Baselines.class, "baselines");
    }

    private Baselines() {
    }

    public static native long baseline_map_huge(long lengthBytes);

    public static native void baseline_copy(long from, long to, long count);

    public static native int baseline_watch(long address, long lengthBytes);

    public static native int baseline_watch_process(int pid);

    public static native int baseline_scan();

    public static native int baseline_guard(long address, long lengthBytes);

    public static native long baseline_guard_again(long frames);

    /** Zero or a count, or an errno below zero. */
    public static long check(long result) {
        if (result < 0) {
            throw new IllegalStateException("errno " + -result);
        }
        return result;
    }
}
