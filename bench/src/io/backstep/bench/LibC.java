// SPDX-License-Identifier: Apache-2.0
package io.backstep.bench;

import com.sun.jna.Native;

/** The one thing that Java does not tell: what the children that have ended used. */
public final class LibC {
    private static final int RUSAGE_CHILDREN = -1;
    /** struct rusage, in words: user time and system time, each in seconds and microseconds; ...; minor page faults; ... */
    private static final int USER_S = 0;
    private static final int USER_US = 1;
    private static final int SYSTEM_S = 2;
    private static final int SYSTEM_US = 3;
    private static final int MINOR_FAULTS = 8;
    private static final int WORDS = 18;

    static {
        Native.register(LibC.class, "c");
    }

    private LibC() {
    }

    static native int getrusage(int who, long[] usage);

    /** Sums over all children of this process that have ended and were waited for. */
    public record Used(long processorNs, long pageFaults) {
        public static Used byEndedChildren() {
            long[] usage = new long[WORDS];
            if (getrusage(RUSAGE_CHILDREN, usage) != 0) {
                throw new IllegalStateException("getrusage");
            }
            return new Used((usage[USER_S] + usage[SYSTEM_S]) * 1_000_000_000L + (usage[USER_US] + usage[SYSTEM_US]) * 1_000L,
                    usage[MINOR_FAULTS]);
        }

        public Used since(Used earlier) {
            return new Used(processorNs - earlier.processorNs, pageFaults - earlier.pageFaults);
        }
    }
}
