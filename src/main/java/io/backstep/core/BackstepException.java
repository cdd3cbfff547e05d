// SPDX-License-Identifier: Apache-2.0
package io.backstep.core;

/** A failure, with what a caller can do about it. The message names the operation, the object and the number. */
public final class BackstepException extends RuntimeException {
    private static final long serialVersionUID = 1;

    /** What became of the target and what to do now. */
    public enum Reason {
        /** The operation failed; the target is as it was and its last good checkpoint is usable. */
        FAILED,
        /** An event of the target came first; awaiting it tells which. The target is as it was. */
        OVERTAKEN,
        /** The target cannot be given the state of this checkpoint; nothing was touched. */
        REFUSED,
        /** The memory budget does not hold what is needed; the target is as it was. */
        OUT_OF_BUDGET,
        /** What was asked for cannot be protected at all, here or by this user. */
        UNFIT,
        /** The target has ended. */
        GONE,
        /** The target's state may be wrong: it must not run on. */
        BROKEN
    }

    private final Reason reason;

    public BackstepException(Reason reason, String message) {
        super(message);
        this.reason = reason;
    }

    public BackstepException(Reason reason, String message, Throwable cause) {
        super(message, cause);
        this.reason = reason;
    }

    public Reason reason() {
        return reason;
    }
}
