// SPDX-License-Identifier: Apache-2.0
package io.backstep.target;

import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SortedMap;
import java.util.SplittableRandom;
import java.util.TreeMap;

import io.backstep.core.BackstepException;
import io.backstep.core.BackstepException.Reason;
import io.backstep.core.Capture;
import io.backstep.core.ExecutionState;
import io.backstep.core.FaultSurface;
import io.backstep.core.FramePool;
import io.backstep.core.PageRanges;
import io.backstep.core.PageWrites;
import io.backstep.core.PreImages;
import io.backstep.core.Target;
import io.backstep.core.TargetEvent;

/**
 * A target around another that fails at a rate, by a seed, or the next few times. What it wraps keeps the contract all the while, so it
 * fails as that one would.
 */
public final class FaultyTarget implements Target {
    /** Ways to fail. */
    public enum Failure {
        /** A capture fails after the marks of written pages were taken. */
        CAPTURE_FAILS,
        /** A capture asks for more frames, though it has enough. */
        CAPTURE_SHORT,
        /** The target ends in a capture. */
        CAPTURE_GONE,
        /** A rollback is refused. */
        ROLLBACK_REFUSED,
        /** A rollback cannot begin. */
        ROLLBACK_FAILS,
        /** A rollback fails halfway. */
        ROLLBACK_BROKEN,
        /** The target ends between the halves of a rollback. */
        ROLLBACK_GONE
    }

    private final Target inner;
    private final SplittableRandom random;
    private final Map<Failure, Double> rates = new EnumMap<>(Failure.class);
    private final Map<Failure, Integer> next = new EnumMap<>(Failure.class);
    private final Capture marks = new Capture();
    private final ExecutionState marksState;
    private final PageRanges droppedBefore = new PageRanges();
    private final PreImages savedBefore = new PreImages();
    private long lostBefore;
    private final PageRanges droppedNow = new PageRanges();
    private Runnable beforeCapture = () -> { };
    private boolean wasShort;
    private long failures;

    public FaultyTarget(Target inner, long seed) {
        this.inner = inner;
        this.random = new SplittableRandom(seed);
        this.marksState = inner.newState();
    }

    /** This failure from now on, with this probability. */
    public void rate(Failure failure, double probability) {
        rates.put(failure, probability);
    }

    /** This failure the next few times that it can happen. */
    public void next(Failure failure, int times) {
        next.put(failure, times);
    }

    /** Does something in the next capture, before anything else. */
    public void beforeCapture(Runnable once) {
        beforeCapture = () -> {
            beforeCapture = () -> { };
            once.run();
        };
    }

    /** How often it has failed. */
    public long failures() {
        return failures;
    }

    private boolean fails(Failure failure) {
        int left = next.getOrDefault(failure, 0);
        if (left == 0 && random.nextDouble() >= rates.getOrDefault(failure, 0.0)) {
            return false;
        }
        next.put(failure, Math.max(0, left - 1));
        failures++;
        return true;
    }

    @Override
    public boolean capture(Capture capture) {
        if (wasShort) {
            wasShort = false;
            return inner.capture(capture);
        }
        beforeCapture.run();
        if (fails(Failure.CAPTURE_GONE)) {
            inner.kill();
        }
        if (fails(Failure.CAPTURE_FAILS) && !takeMarks(capture.isLive())) {
            inner.abandonCapture();
            throw new BackstepException(Reason.FAILED, "this capture was to fail");
        }
        if (fails(Failure.CAPTURE_SHORT) && !takeMarks(capture.isLive())) {
            wasShort = true;
            capture.clearResults();
            capture.framesNeeded(marks.framesNeeded(), marks.isNeedGuessed());
            return false;
        }
        boolean done = inner.capture(capture);
        if (done) {
            addWhatWasSavedBefore(capture);
        }
        if (done && !droppedBefore.isEmpty()) {
            droppedNow.copyFrom(capture.dropped());
            capture.dropped().setUnion(droppedBefore, droppedNow);
            droppedBefore.clear();
        }
        return done;
    }

    /** Of a page that was saved twice the older pre-image counts. */
    private void addWhatWasSavedBefore(Capture capture) {
        if (savedBefore.pages().isEmpty() && lostBefore == 0) {
            return;
        }
        SortedMap<Long, Long> frames = new TreeMap<>();
        List.of(capture.saved(), savedBefore).forEach(saved -> {
            for (long i = 0; i < saved.pages().size(); i++) {
                frames.put(saved.pages().get(i), saved.frames().get(i));
            }
        });
        capture.saved().clear();
        frames.forEach((page, frame) -> {
            capture.saved().pages().add(page);
            capture.saved().frames().add(frame);
        });
        capture.lostPages(capture.lostPages() + lostBefore);
        savedBefore.clear();
        lostBefore = 0;
    }

    /**
     * Lets the wrapped target begin a capture for which it has no frames. True if it needed none and is done: then it has told the
     * dropped pages, which are passed on with the next.
     */
    private boolean takeMarks(boolean live) {
        boolean done = inner.capture(marks.live(live).state(marksState));
        if (done) {
            droppedNow.copyFrom(droppedBefore);
            droppedBefore.setUnion(droppedNow, marks.dropped());
            addWhatWasSavedBefore(marks);
            savedBefore.pages().copyFrom(marks.saved().pages().address(), marks.saved().pages().size());
            savedBefore.frames().copyFrom(marks.saved().frames().address(), marks.saved().frames().size());
            lostBefore = marks.lostPages();
        }
        return done;
    }

    @Override
    public void abandonCapture() {
        wasShort = false;
        inner.abandonCapture();
    }

    @Override
    public void lookBack(PageRanges written, PreImages saved) {
        inner.lookBack(written, saved);
    }

    @Override
    public void beginRollback(ExecutionState state, PageRanges written, PreImages saved) {
        if (fails(Failure.ROLLBACK_REFUSED)) {
            inner.halt();
            throw new BackstepException(Reason.REFUSED, "this rollback was to be refused");
        }
        if (fails(Failure.ROLLBACK_FAILS)) {
            throw new BackstepException(Reason.FAILED, "this rollback was not to begin");
        }
        inner.beginRollback(state, written, saved);
    }

    @Override
    public FramePool pool() {
        return inner.pool();
    }

    @Override
    public void finishRollback(ExecutionState state, PageWrites writes) {
        if (fails(Failure.ROLLBACK_BROKEN)) {
            throw new BackstepException(Reason.BROKEN, "this rollback was to fail halfway");
        }
        if (fails(Failure.ROLLBACK_GONE)) {
            inner.kill();
        }
        inner.finishRollback(state, writes);
    }

    @Override
    public boolean spoiledByRollback(PageRanges written) {
        return inner.spoiledByRollback(written);
    }

    @Override
    public String kind() {
        return inner.kind();
    }

    @Override
    public String name() {
        return inner.name();
    }

    @Override
    public long pid() {
        return inner.pid();
    }

    @Override
    public void start() {
        inner.start();
    }

    @Override
    public ExecutionState newState() {
        return inner.newState();
    }

    @Override
    public void await(long deadlineNs, TargetEvent event) {
        inner.await(deadlineNs, event);
    }

    @Override
    public void wake() {
        inner.wake();
    }

    @Override
    public void halt() {
        inner.halt();
    }

    @Override
    public void resume() {
        inner.resume();
    }

    @Override
    public void resumeIntoError() {
        inner.resumeIntoError();
    }

    @Override
    public void commit(ExecutionState oldestKept) {
        inner.commit(oldestKept);
    }

    @Override
    public void stopTracking() {
        inner.stopTracking();
    }

    @Override
    public void kill() {
        inner.kill();
    }

    @Override
    public FaultSurface faultSurface() {
        return inner.faultSurface();
    }

    @Override
    public Set<String> unprotected() {
        return inner.unprotected();
    }

    @Override
    public long heldBytes() {
        return inner.heldBytes();
    }

    @Override
    public void close() {
        inner.close();
        marks.close();
        marksState.close();
        droppedBefore.close();
        savedBefore.close();
        droppedNow.close();
    }
}
