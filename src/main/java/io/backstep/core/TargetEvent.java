// SPDX-License-Identifier: Apache-2.0
package io.backstep.core;

/** What a target reported. One mutable object is filled again and again. Not thread-safe. */
public final class TargetEvent {
    /** The kinds of event. */
    public enum Kind {
        /** The deadline came, or the wait was ended. */
        NONE,
        /** An error was detected; the target, or the part that erred, stands. */
        ERROR,
        /** The target has ended. */
        ENDED,
        /** The target became another (a new program): all checkpoints are void. It stands. */
        REPLACED
    }

    private Kind kind = Kind.NONE;
    private String detector = "";
    private String what = "";
    private String detail = "";
    private boolean earliestKnown;
    private long earliestNs;
    private boolean latestKnown;
    private long latestNs;
    private int exitCode;
    private String exitSignal;

    public Kind kind() {
        return kind;
    }

    /** What noticed the error: "signal", "ctl". */
    public String detector() {
        return detector;
    }

    /** What was noticed, as a short name that is the same when the error comes again: "SIGSEGV". */
    public String what() {
        return what;
    }

    /** More about it, for people. */
    public String detail() {
        return detail;
    }

    /** When the error occurred at the latest, by System.nanoTime, as far as its detector knows; else the given time. */
    public long latestNs(long ifUnknown) {
        return latestKnown ? latestNs : ifUnknown;
    }

    /** When the error occurred at the earliest, by System.nanoTime, as far as its detector knows; else the given time. */
    public long earliestNs(long ifUnknown) {
        return earliestKnown ? earliestNs : ifUnknown;
    }

    public int exitCode() {
        return exitCode;
    }

    /** The signal that ended the target, or null. */
    public String exitSignal() {
        return exitSignal;
    }

    public void none() {
        kind = Kind.NONE;
    }

    public void error(String detectorName, String errorName, String errorDetail) {
        kind = Kind.ERROR;
        detector = detectorName;
        what = errorName;
        detail = errorDetail;
        earliestKnown = false;
        latestKnown = false;
    }

    /** An error whose detector knows when it occurred at the latest, by System.nanoTime. */
    public void error(String detectorName, String errorName, String errorDetail, long errorLatestNs) {
        error(detectorName, errorName, errorDetail);
        latestKnown = true;
        latestNs = errorLatestNs;
    }

    /** An error whose detector knows between which times it occurred, by System.nanoTime. */
    public void error(
            String detectorName, String errorName, String errorDetail, long errorEarliestNs, long errorLatestNs) {
        error(detectorName, errorName, errorDetail, errorLatestNs);
        earliestKnown = true;
        earliestNs = errorEarliestNs;
    }

    public void ended(int code, String signal) {
        kind = Kind.ENDED;
        exitCode = code;
        exitSignal = signal;
    }

    public void replaced() {
        kind = Kind.REPLACED;
    }
}
