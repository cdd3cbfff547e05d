// SPDX-License-Identifier: Apache-2.0
package io.backstep.target.region;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.locks.LockSupport;
import java.util.stream.Collectors;

import io.backstep.core.BackstepException;
import io.backstep.core.BackstepException.Reason;
import io.backstep.core.Capture;
import io.backstep.core.ExecutionState;
import io.backstep.core.FaultSurface;
import io.backstep.core.PageRanges;
import io.backstep.core.PageWrites;
import io.backstep.core.PreImages;
import io.backstep.core.Target;
import io.backstep.core.TargetEvent;
import io.backstep.sys.CaptureWords;
import io.backstep.sys.NativeRegions;
import io.backstep.sys.RestorePagesWords;
import io.backstep.sys.RestoreWords;

/**
 * Regions of this JVM's off-heap memory as one target. The kernel notes which pages are written and no writer ever waits
 * for a Java thread at a page; at a capture or rollback a {@link Quiescence} brings the writers to rest. Errors are what
 * the application's detectors find, or what it tells by {@link #errorNoticed}.
 */
public final class RegionTarget implements Target {
    private static final long PATIENCE_NS = TimeUnit.SECONDS.toNanos(1);

    private final List<Region> ascending;
    private final Quiescence quiescence;
    private final boolean waits;
    private final RegionListener listener;
    private final int recordBytes;
    private final Detectors detectors = new Detectors();
    private final AtomicReference<Noticed> noticed = new AtomicReference<>();
    private final CaptureWords captureWords = new CaptureWords();
    private final RestoreWords restoreWords = new RestoreWords();
    private final RestorePagesWords restorePages = new RestorePagesWords();
    private final RegionFaults faults;
    private NativeRegions regions;
    private Noticed told;
    private boolean isPutOff; // what was noticed, since the writers did not rest
    private long putOffNs;
    private boolean halted;
    private boolean captureOpen;
    private boolean haltedForCapture;
    private boolean killed;
    private boolean closed;
    private volatile boolean woken;
    private volatile Thread waiting;

    private record Noticed(String detector, Problem problem) {
    }

    /**
     * Regions that will be tracked from {@link #start()} to {@link #close()}. They stay the caller's.
     *
     * @param waits whether awaiting an event blocks; if not, it returns at once, for use within a duty cycle
     * @param recordBytes how long the application's record of a checkpoint may be
     */
    public RegionTarget(List<Region> regions, Quiescence quiescence, boolean waits, RegionListener listener, int recordBytes) {
        List<Region> sorted = new ArrayList<>(regions);
        sorted.sort(Comparator.comparingLong(Region::address));
        this.ascending = List.copyOf(sorted);
        this.quiescence = quiescence;
        this.waits = waits;
        this.listener = listener;
        this.recordBytes = recordBytes;
        this.faults = new RegionFaults(ascending);
    }

    /** Before {@link #start()}. */
    public void addDetector(Detector detector, int everyCaptures) {
        detectors.add(detector, everyCaptures);
    }

    /** An error that the application noticed. The engine treats the first one that it has not seen yet. Any thread. */
    public void errorNoticed(String detector, Problem problem) {
        noticed.compareAndSet(null, new Noticed(detector, problem));
        wake();
    }

    @Override
    public String kind() {
        return "region";
    }

    @Override
    public String name() {
        return ascending.stream().map(Region::name).collect(Collectors.joining("+"));
    }

    @Override
    public long pid() {
        return 0;
    }

    @Override
    public void start() {
        halt();
        regions = NativeRegions.open();
        for (Region region : ascending) {
            regions.add(region.address(), region.lengthBytes());
        }
    }

    @Override
    public ExecutionState newState() {
        return new RegionState(recordBytes);
    }

    @Override
    public void await(long deadlineNs, TargetEvent event) {
        if (waits && toBeTold() == null && !killed && !closed) {
            park(isPutOff ? Math.min(deadlineNs, putOffNs + PATIENCE_NS) : deadlineNs);
        }
        Noticed error = toBeTold();
        if (killed || closed) {
            event.ended(0, killed ? "SIGKILL" : null);
        } else if (error != null) {
            told = error;
            report(error.detector(), error.problem(), event);
        } else {
            event.none();
        }
    }

    private Noticed toBeTold() {
        isPutOff = isPutOff && System.nanoTime() - putOffNs < PATIENCE_NS;
        return isPutOff ? null : noticed.get();
    }

    private static void report(String detector, Problem problem, TargetEvent event) {
        if (problem.earliestNs().isPresent()) {
            event.error(detector, problem.what(), problem.detail(), problem.earliestNs().getAsLong(), problem.latestNs());
        } else {
            event.error(detector, problem.what(), problem.detail(), problem.latestNs());
        }
    }

    private void park(long deadlineNs) {
        waiting = Thread.currentThread();
        for (long left; !woken && toBeTold() == null && (left = deadlineNs - System.nanoTime()) > 0;) {
            LockSupport.parkNanos(this, left);
        }
        waiting = null;
        woken = false;
    }

    @Override
    public void wake() {
        woken = true;
        LockSupport.unpark(waiting);
    }

    @Override
    public void halt() {
        requireLife();
        if (!halted && !quiescence.stop(System.nanoTime() + PATIENCE_NS)) {
            throw new BackstepException(Reason.FAILED,
                    "the writers of " + name() + " did not come to rest within " + PATIENCE_NS / 1_000_000
                            + " ms: one is online or inside for longer, or ended so; offline() or exit() first");
        }
        halted = true;
    }

    private void requireLife() {
        if (killed || closed) {
            throw new BackstepException(Reason.GONE, "the regions " + name() + " are no longer protected");
        }
    }

    @Override
    public void resume() {
        noticed.compareAndSet(told, null);
        told = null;
        isPutOff = false;
        letGo();
    }

    private void letGo() {
        halted = false;
        quiescence.go();
    }

    /** An error that was not tried to be undone, because the writers did not rest, is told again later. */
    @Override
    public void resumeIntoError() {
        if (!halted && noticed.get() != null) {
            putOffNs = System.nanoTime();
            isPutOff = true;
            return;
        }
        resume();
    }

    @Override
    public boolean capture(Capture capture) {
        requireLife();
        boolean goOn = captureOpen;
        if (!goOn) {
            capture.clearResults();
            begin(capture);
        }
        try {
            captureOpen = !regions.capture(capture, captureWords, goOn);
        } catch (BackstepException e) {
            endCapture();
            throw e;
        }
        if (!captureOpen) {
            endCapture();
        }
        return !captureOpen;
    }

    private void begin(Capture capture) {
        haltedForCapture = !halted && !capture.isLive();
        if (capture.isLive()) {
            return;
        }
        refuseIfErroneous();
        halt();
        try {
            lookForProblems();
            record((RegionState) capture.state());
        } catch (BackstepException e) {
            endCapture();
            throw e;
        }
    }

    private void lookForProblems() {
        Problem problem = detectors.beforeCapture();
        if (problem != null) {
            noticed.set(new Noticed(detectors.finder(), problem));
        }
        refuseIfErroneous();
    }

    private void refuseIfErroneous() {
        if (noticed.get() != null) {
            throw new BackstepException(Reason.OVERTAKEN, "an error in " + name() + " came before the capture");
        }
    }

    private void record(RegionState state) {
        try {
            state.length(listener.onCheckpoint(state.record()));
        } catch (RuntimeException | Error e) { // writers wait meanwhile: they must not for ever
            throw new BackstepException(Reason.FAILED, "no record of a checkpoint: " + e, e);
        }
    }

    private void endCapture() {
        captureOpen = false;
        if (haltedForCapture) {
            haltedForCapture = false;
            letGo();
        }
    }

    @Override
    public void abandonCapture() {
        if (captureOpen) {
            regions.abandonCapture();
            endCapture();
        }
    }

    @Override
    public void lookBack(PageRanges written, PreImages saved) {
        saved.clear();
        halt();
        regions.beginRestore(restoreWords);
        restoreWords.written(written);
    }

    @Override
    public void beginRollback(ExecutionState state, PageRanges written, PreImages saved) {
        halt();
        prepareListener();
        lookBack(written, saved);
    }

    private void prepareListener() {
        try {
            listener.beforeRollback();
        } catch (RuntimeException | Error e) {
            throw new BackstepException(Reason.REFUSED, "the application is not ready for a rollback: " + e, e);
        }
    }

    @Override
    public void finishRollback(ExecutionState state, PageWrites writes) {
        RegionState then = (RegionState) state;
        try {
            regions.finishRestore(writes, restorePages);
            listener.afterRollback(then.record(), then.length());
        } catch (RuntimeException | Error e) {
            throw new BackstepException(Reason.BROKEN, "regions " + name() + ": " + e.getMessage(), e);
        }
        lookAtTheRestored();
    }

    /** What the application noticed was noticed in what is no more. */
    private void lookAtTheRestored() {
        Problem problem = detectors.afterRollback();
        noticed.set(problem == null ? null : new Noticed(detectors.finder(), problem));
    }

    @Override
    public void commit(ExecutionState oldestKept) {
    }

    @Override
    public void stopTracking() {
        if (regions != null) {
            regions.close();
            regions = null;
        }
    }

    /** The writers go on, since a JVM cannot be without them; protection has ended, which the engine tells. */
    @Override
    public void kill() {
        if (!killed && !closed) {
            killed = true;
            letGo();
        }
    }

    @Override
    public FaultSurface faultSurface() {
        return faults;
    }

    @Override
    public Set<String> unprotected() {
        return Set.of();
    }

    @Override
    public long heldBytes() {
        return 0;
    }

    /** The writers go on, with the regions as they are. */
    @Override
    public void close() {
        if (closed) {
            return;
        }
        closed = true;
        stopTracking();
        letGo();
        captureWords.close();
        restoreWords.close();
        restorePages.close();
    }
}
