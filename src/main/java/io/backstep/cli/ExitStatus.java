// SPDX-License-Identifier: Apache-2.0
package io.backstep.cli;

/** The exit statuses of backstep's own failures. {@code run} gives the program's status otherwise, the others 0. */
final class ExitStatus {
    /** A bad option or argument. */
    static final int USAGE = 121;
    /** The program cannot be started: missing, not executable, or unfit. */
    static final int CANNOT_START = 122;
    /** The process cannot be attached to, or nothing protects it: missing, no permission, already traced, or unfit. */
    static final int CANNOT_ATTACH = 123;
    /** This host lacks a facility that is needed. */
    static final int HOST_UNFIT = 124;
    /** Anything else that failed in backstep. */
    static final int FAILED = 125;
    /** The target had to be killed, because a rollback broke half-way. */
    static final int BROKEN = 126;

    /** All of them in a sentence, for the end of a help text. */
    static final String SUMMARY = USAGE + " bad usage, " + CANNOT_START + " the program cannot be started, "
            + CANNOT_ATTACH + " the process cannot be attached to or is not protected, "
            + HOST_UNFIT + " this host lacks something (see 'backstep check'), "
            + FAILED + " another failure of backstep, "
            + BROKEN + " a rollback broke half-way and the target was killed.";

    private ExitStatus() {
    }
}
