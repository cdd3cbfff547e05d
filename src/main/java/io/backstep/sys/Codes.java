// SPDX-License-Identifier: Apache-2.0
package io.backstep.sys;

import io.backstep.core.BackstepException;
import io.backstep.core.BackstepException.Reason;

/** The negative results of the native library as exceptions. */
final class Codes {
    static final int FRAMES_AHEAD = 2;

    private static final int GONE = -10001;
    private static final int ERROR_FIRST = -10002;
    private static final int REFUSED = -10003;
    private static final int BROKEN = -10004;
    private static final int EXECED = -10005;
    private static final int UNFIT = -10007;
    private static final int EPERM = -1;
    private static final int ENOENT = -2;
    private static final int ESRCH = -3;
    private static final int ENOEXEC = -8;
    private static final int EACCES = -13;

    private Codes() {
    }

    /** Gives a non-negative result back; throws otherwise. */
    static int check(int result) {
        if (result < 0) {
            throw failure(result);
        }
        return result;
    }

    /** As {@link #check}, for the functions that open a target: what cannot be opened is unfit, not failed. */
    static int checkOpen(int result) {
        switch (result) {
            case EPERM, ENOENT, ESRCH, ENOEXEC, EACCES ->
                throw new BackstepException(Reason.UNFIT, LibBackstep.bs_last_error());
            default -> {
                return check(result);
            }
        }
    }

    private static BackstepException failure(int result) {
        Reason reason = switch (result) {
            case GONE -> Reason.GONE;
            case ERROR_FIRST, EXECED -> Reason.OVERTAKEN;
            case REFUSED -> Reason.REFUSED;
            case BROKEN -> Reason.BROKEN;
            case UNFIT -> Reason.UNFIT;
            default -> Reason.FAILED;
        };
        return new BackstepException(reason, LibBackstep.bs_last_error());
    }
}
