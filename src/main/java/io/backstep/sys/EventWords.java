// SPDX-License-Identifier: Apache-2.0
package io.backstep.sys;

/** {@code struct bs_event}: the words in their order. */
public final class EventWords extends NativeWords {
    static final int STRUCT = 1;

    private static final int KIND = 0;
    private static final int TID = KIND + 1;
    private static final int SIGNAL = TID + 1;
    private static final int CODE = SIGNAL + 1;
    private static final int ADDRESS = CODE + 1;
    private static final int STATUS = ADDRESS + 1;
    private static final int WORDS = STATUS + 1;

    public static final int NONE = 0;
    public static final int ERROR = 1;
    public static final int EXITED = 2;
    public static final int EXECED = 3;

    public EventWords() {
        super(WORDS);
    }

    public int kind() {
        return (int) word(KIND);
    }

    public long tid() {
        return word(TID);
    }

    public int signal() {
        return (int) word(SIGNAL);
    }

    /** {@code si_code}: positive when the kernel raised the signal. */
    public int code() {
        return (int) word(CODE);
    }

    /** {@code si_addr}, or 0. */
    public long faultAddress() {
        return word(ADDRESS);
    }

    /** Did the process end by a signal? */
    public boolean endedBySignal() {
        return (word(STATUS) & 0x7f) != 0;
    }

    /** The signal that ended the process, or its exit code. */
    public int endedWith() {
        long status = word(STATUS);
        return endedBySignal() ? (int) (status & 0x7f) : (int) (status >> 8 & 0xff);
    }
}
