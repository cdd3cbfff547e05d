// SPDX-License-Identifier: Apache-2.0
package io.backstep.core;

import java.util.Set;

/**
 * Something whose state can be captured and put back in place: a process, a region, a virtual machine.
 *
 * <p>All methods but {@link #wake()} are called by one thread, the one that called {@link #start()}. Failures are
 * {@link BackstepException}s whose reason says what became of the target.
 */
public interface Target extends AutoCloseable {
    /** "process", "region" or "vm". */
    String kind();

    /** A short name for people. */
    String name();

    /** The process id, or 0. */
    long pid();

    /** Begins tracking. Leaves the target halted. Called again after {@link TargetEvent.Kind#REPLACED}. */
    void start();

    ExecutionState newState();

    /** Lets the target run until something happens or the deadline (System.nanoTime) comes. It must not be halted. */
    void await(long deadlineNs, TargetEvent event);

    /** Ends an await early, the running one or the next. Any thread. */
    void wake();

    /** Stops the target as a whole. Without effect on one that stands. */
    void halt();

    /** Lets a halted target run. Whatever error it stands at is forgotten. */
    void resume();

    /** Lets a target that stands at an error run into it, as if nobody had looked. */
    void resumeIntoError();

    /**
     * Takes a capture: the pause. On success the pages written since the last one are in the capture's frames, and the
     * target runs on (or stays halted).
     *
     * @return false if there were too few frames: the call must be repeated with {@link Capture#framesNeeded()} frames or
     *     given up by {@link #abandonCapture()}. As long as that number is guessed the target runs: repeated with fewer, the
     *     capture goes on, and says so again if they are too few.
     * @throws BackstepException the target runs on as it was, and no page is forgotten: the next capture has them.
     */
    boolean capture(Capture capture);

    /** Gives up a capture that had too few frames. The target runs on; no page is forgotten. */
    void abandonCapture();

    /**
     * Before a rollback: halts the target and tells which pages were written or dropped since the last capture. Nothing
     * of it is touched.
     *
     * @param saved gets what the target saved by itself since then; the frames stay its own
     * @throws BackstepException the target is as it was
     */
    void lookBack(PageRanges written, PreImages saved);

    /**
     * First half of a rollback, after {@link #lookBack}: makes sure that the target, which stands since then, can be
     * given this state, undoes changes to its layout, and tells which pages were written (or dropped) since the last
     * capture.
     *
     * @param saved gets what the target saved by itself since then; the frames stay its own
     * @throws BackstepException REFUSED: nothing was touched; BROKEN: the target must not run on.
     */
    void beginRollback(ExecutionState state, PageRanges written, PreImages saved);

    /**
     * Second half: writes the pages and puts the rest of the state back. The target stays halted. Failure is BROKEN.
     */
    void finishRollback(ExecutionState state, PageWrites writes);

    /**
     * After the second half: pages that putting the rest of the state back has written itself. If there are any, the
     * second half is called again, with what these must become among its writes.
     *
     * @return whether there are
     */
    default boolean spoiledByRollback(PageRanges written) {
        return false;
    }

    /** The frames for what the target saves by itself, or null if it saves nothing. */
    default FramePool pool() {
        return null;
    }

    /** Called after publication: output older than this state can no longer be taken back. */
    void commit(ExecutionState oldestKept);

    /** Gives up protection: pages are no longer tracked, nothing is held back, errors are still reported. */
    void stopTracking();

    /** Kills a target that must not run on. */
    void kill();

    /** Where faults can be injected while the target is halted. */
    FaultSurface faultSurface();

    /** What the target uses at this moment that a rollback does not restore, one sentence each. Takes its time. */
    Set<String> unprotected();

    /** Bytes that the target keeps back until they are committed, and other memory used for it. */
    long heldBytes();

    /** Lets the target go: it runs on, untracked. May be called twice. */
    @Override
    void close();
}
