// SPDX-License-Identifier: Apache-2.0
package io.backstep.engine;

import java.util.Deque;
import java.util.List;
import java.util.OptionalLong;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.concurrent.ForkJoinPool;
import java.util.function.LongSupplier;

import io.backstep.core.BackstepException;
import io.backstep.core.BackstepException.Reason;
import io.backstep.core.Checkpoint;
import io.backstep.core.ExecutionState;
import io.backstep.core.Fault;
import io.backstep.core.FaultPlan;
import io.backstep.core.Target;
import io.backstep.core.TargetEvent;
import io.backstep.retain.LatencyObservations;
import io.backstep.retain.Retention;
import io.backstep.store.CheckpointStore;
import org.HdrHistogram.Histogram;
import org.agrona.concurrent.Agent;

/**
 * Protects one target: takes captures at the interval, rolls back when an error is noticed, and lets go at the end.
 *
 * <p>One thread starts it, works it and closes it; {@link #doWork()} blocks until the next thing is due, so it needs no
 * idling. Other threads may call the methods that return a future, and {@link #wake()}.
 */
public final class Engine implements Agent, AutoCloseable {
    private static final long LOOK_INTERVAL_NS = 1_000_000_000L;
    private static final double NS_PER_MS = 1e6;

    private final EngineOptions options;
    private final Target target;
    private final CheckpointStore store;
    private final Strikes strikes;
    private final EngineListener listener;
    private final LongSupplier clock;
    private final RunLog log = new RunLog();
    private final IntervalTimer timer;
    private final Keeping keeping;
    private final Lessons lessons;
    private final Pace pace;
    private final Recovery recovery;
    private final Forecast forecast;
    private final Captures captures;
    private final Rollbacks rollbacks;
    private final Scrubbing scrubbing;
    private final Warnings warnings;
    private final Accounts accounts;
    private final TargetEvent event = new TargetEvent();
    private final EngineRequests requests = new EngineRequests(this::isDone, this::wake);
    private final long endNs;
    private volatile boolean done;
    private boolean isProtecting;
    private boolean closed;
    private long intervalNs;
    private long nextLookNs;
    private long endedNs;
    private RunRecord.Exit exit = RunRecord.Exit.NONE;
    private BackstepException broken;

    /**
     * @param budgetBytes for frames and their tables
     * @param clock the clock of the target's deadlines: System.nanoTime, but in tests
     */
    public Engine(EngineOptions options, Target target, Retention retention, long budgetBytes, FaultPlan faults,
            EngineListener listener, LongSupplier clock) {
        this(options, target, retention, budgetBytes, faults, listener, clock, ForkJoinPool.commonPool());
    }

    /** @param beside computes what takes some milliseconds, while the engine goes on */
    Engine(EngineOptions options, Target target, Retention retention, long budgetBytes, FaultPlan faults,
            EngineListener listener, LongSupplier clock, Executor beside) {
        this.options = options;
        this.target = target;
        this.listener = listener;
        this.clock = clock;
        Deque<ExecutionState> states = Captures.newStateQueue();
        store = new CheckpointStore(budgetBytes, options.redundancy(), states::addLast);
        timer = new IntervalTimer(options.intervalNs());
        intervalNs = options.intervalNs();
        LatencyObservations observations = new LatencyObservations();
        lessons = new Lessons(observations);
        keeping = new Keeping(retention, options.learns() ? observations : null, intervalNs, beside);
        pace = options.overhead() == 0 ? null : new Pace(options.overhead(), intervalNs);
        recovery = new Recovery(keeping, intervalNs);
        forecast = new Forecast(options.prediction(), options.prices());
        captures = new Captures(target, store, keeping, forecast, log, states);
        rollbacks = new Rollbacks(target, store, log, listener, clock);
        scrubbing = new Scrubbing(options.scrubNs(), store);
        CoverageWatch coverage = new CoverageWatch();
        warnings = new Warnings(log, listener, store, keeping, captures, coverage, beside);
        accounts = new Accounts(options, target, store, log, timer, keeping, coverage, pace, forecast);
        strikes = new Strikes(faults, target, log, listener, clock);
        long now = clock.getAsLong();
        endNs = options.durationNs() > Long.MAX_VALUE - now ? Long.MAX_VALUE : now + options.durationNs();
    }

    @Override
    public String roleName() {
        return "backstep-engine";
    }

    /**
     * Begins tracking and takes the first checkpoint. Failure leaves the target as it was, to be let go by {@link
     * #close()}.
     */
    @Override
    public void onStart() {
        captures.prepare();
        log.started(clock.getAsLong());
        if (pace != null) {
            pace.started(log.startNs());
        }
        try {
            begin(options.preCopy());
        } catch (BackstepException e) {
            if (e.reason() != Reason.OUT_OF_BUDGET) {
                throw e;
            }
            stopProtecting(e.getMessage());
            target.resume();
        }
        nextLookNs = clock.getAsLong();
    }

    private void begin(boolean preCopy) {
        target.start();
        if (preCopy) {
            target.resume();
            captures.preCopy();
        }
        captures.take();
        target.resume();
        isProtecting = true;
        timer.start(clock.getAsLong());
        scrubbing.start(clock.getAsLong());
    }

    /** True when the target has ended or was let go. */
    public boolean isDone() {
        return done;
    }

    /** Does what is due, or lets the target run until something is. Returns 0 when nothing was done. */
    @Override
    public int doWork() {
        if (done) {
            return 0;
        }
        requests.answerAll();
        long now = clock.getAsLong();
        if (done) {
            return 1;
        }
        if (now >= endNs) {
            letGo();
        } else if (strikes.isNoticeDue(now)) {
            notice();
        } else if (isCaptureDue(now)) { // before a fault that is due as well: what struck shall run before it is captured
            captureNow();
            timer.advance(clock.getAsLong());
            strikes.tell();
        } else if (strikes.isDue(now)) {
            strike();
        } else if (now - nextLookNs >= 0) {
            look(now);
        } else if (isProtecting && scrubbing.isDue(now)) {
            scrubbing.work(now);
            warnings.tellBroken();
        } else {
            target.await(nextDeadline(now), event);
            stockUp();
            handle();
            return event.kind() == TargetEvent.Kind.NONE ? 0 : 1;
        }
        return 1;
    }

    private boolean isCaptureDue(long now) {
        return isProtecting && !recovery.isOnProbation(now) && timer.isDue(now);
    }

    private long nextDeadline(long now) {
        long deadline = Math.min(Math.min(endNs, nextLookNs), Math.min(strikes.nextNs(), strikes.noticeNs()));
        if (isProtecting) {
            deadline = Math.min(deadline, recovery.isOnProbation(now) ? recovery.probationEndNs() : timer.dueNs());
            deadline = Math.min(deadline, scrubbing.dueNs());
        }
        return deadline;
    }

    /* ---- captures ---- */

    private void captureNow() {
        lessons.settle();
        try {
            captures.take();
            adapt();
            warnings.captured(clock.getAsLong(), intervalNs);
        } catch (BackstepException e) {
            captureFailed(e);
        }
    }

    /** To what the capture cost and to what was learnt until now. */
    private void adapt() {
        if (pace != null) {
            pace.captured(clock.getAsLong(), log.lastCostNs());
            intervalNs = pace.intervalNs();
            timer.interval(intervalNs);
            recovery.interval(intervalNs);
        }
        keeping.captured(intervalNs);
    }

    private void stockUp() {
        if (!isProtecting) {
            return;
        }
        try {
            captures.stockUp();
            warnings.tellHistoryDropped();
        } catch (BackstepException e) {
            stopProtecting(e.getMessage());
        }
    }

    private void captureFailed(BackstepException e) {
        switch (e.reason()) {
            case OVERTAKEN, GONE -> { } // awaiting the target tells what came first
            case OUT_OF_BUDGET, UNFIT -> stopProtecting(e.getMessage());
            default -> warnings.tell("a capture failed, the checkpoint before it stays: " + e.getMessage());
        }
    }

    /** The target runs on without protection. */
    private void stopProtecting(String why) {
        isProtecting = false;
        recovery.reset();
        target.stopTracking();
        store.clear();
        warnings.tell("protection has stopped, the target runs on without it: " + why);
    }

    /* ---- events ---- */

    private void handle() {
        switch (event.kind()) {
            case ERROR -> onError(clock.getAsLong());
            case ENDED -> onEnd();
            case REPLACED -> onReplaced();
            default -> { }
        }
    }

    private void onEnd() {
        exit = event.exitSignal() == null
                ? RunRecord.Exit.ofCode(event.exitCode())
                : RunRecord.Exit.ofSignal(event.exitSignal());
        finish();
    }

    private void onReplaced() {
        store.clear();
        forecast.forget();
        recovery.reset();
        try {
            begin(false);
        } catch (BackstepException e) {
            if (e.reason() != Reason.GONE && e.reason() != Reason.OVERTAKEN) {
                stopProtecting(e.getMessage());
                target.resume();
            }
        }
    }

    private void onError(long now) {
        long earliestNs = event.earliestNs(recovery.assumedEarliestNs(now));
        if (recovery.isGivenUp(earliestNs)) { // told of once
            target.resume();
            return;
        }
        long told = log.rollbackCount();
        DetectionRecord detection = noted(event.detector(), event.what(), now, earliestNs,
                event.earliestNs(Retention.UNKNOWN_NS), event.latestNs(now));
        String detail = event.detail();
        BackstepException restless = isProtecting ? haltFailure() : null;
        boolean restored = restless == null && rollBackToBest(now);
        if (!restored) {
            target.resumeIntoError();
        }
        tell(detection, detail, told);
        if (restless != null) {
            warnings.tell("no rollback: " + restless.getMessage());
        } else if (!restored) {
            String meaning = recovery.giveUp();
            lessons.settle();
            listener.gaveUp(detail);
            if (!meaning.isEmpty()) {
                warnings.tell(meaning);
            }
        }
    }

    /** Why the target cannot be halted, whatever it is to be given; or null. The other reasons show in a rollback, too. */
    private BackstepException haltFailure() {
        try {
            target.halt();
            return null;
        } catch (BackstepException e) {
            return e.reason() == Reason.FAILED ? e : null;
        }
    }

    private DetectionRecord noted(
            String detector, String what, long now, long earliestNs, long knownNs, long latestNs) {
        boolean isSame = recovery.errorNoticed(earliestNs, knownNs, latestNs, now);
        DetectionRecord detection = log.detected(detector, what, now);
        if (isSame) {
            log.lastRollbackFailed();
            lessons.cameBack();
            return detection;
        }
        if (pace != null) {
            pace.error(now);
        }
        long faultNs = knownNs == latestNs ? knownNs : Double.isNaN(detection.latencyMs()) ? Retention.UNKNOWN_NS
                : now - (long) (detection.latencyMs() * NS_PER_MS);
        lessons.noticed(now, faultNs, knownNs, latestNs);
        return detection;
    }

    /** Telling takes its time, so it comes when the target runs again. */
    private void tell(DetectionRecord detection, String detail, long rollbacksTold) {
        strikes.tell();
        listener.errorDetected(detection, detail);
        log.rollbacksSince(rollbacksTold).forEach(listener::rolledBack);
        warnings.tellBroken();
    }

    /** Tries the checkpoints that are left to try, each time the one most worth it. */
    private boolean rollBackToBest(long errorNs) {
        if (!isProtecting) {
            return false;
        }
        for (Checkpoint next; (next = recovery.next(store.checkpoints())) != null;) {
            if (rollBackTo(next, recovery.nextAttempt(), errorNs)) {
                return true;
            }
        }
        return false;
    }

    private boolean rollBackTo(Checkpoint checkpoint, int attempt, long errorNs) {
        boolean restored;
        try {
            restored = rollbacks.to(checkpoint, attempt, errorNs);
        } catch (BackstepException e) {
            mustNotRunOn(e);
            return true;
        }
        recovery.tried(checkpoint);
        if (restored) {
            recovery.rolledBack(checkpoint, errorNs, clock.getAsLong());
            lessons.restored(checkpoint.atNs());
            strikes.undoneFrom(checkpoint.atNs());
            target.resume();
        }
        return restored;
    }

    private void mustNotRunOn(BackstepException e) {
        if (e.reason() == Reason.GONE) {
            return; // awaiting the target tells how it ended
        }
        broken = new BackstepException(
                Reason.BROKEN, "a rollback failed halfway, the target was killed: " + e.getMessage(), e);
        target.kill();
    }

    /* ---- faults ---- */

    private void strike() {
        try {
            strikes.strike();
        } catch (BackstepException e) {
            notStruck(e);
        }
    }

    private void notStruck(BackstepException e) {
        if (e.reason() == Reason.GONE || e.reason() == Reason.OVERTAKEN) {
            return; // awaiting the target tells what came first
        }
        warnings.tell("a fault was not injected: " + e.getMessage());
        target.resume();
    }

    /** The detector of a fault that is noticed by plan: it knows when the fault occurred. */
    private void notice() {
        Fault fault = strikes.notice();
        event.error("plan", fault.model(), "the fault in " + fault.where(), fault.atNs(), fault.atNs());
        onError(clock.getAsLong());
    }

    /* ---- requests of other threads ---- */

    /** How the run stands. */
    public CompletableFuture<StatusSnapshot> requestStatus() {
        return requests.ask(this::status);
    }

    /** Takes a checkpoint now, whatever the interval says; gives its number. */
    public CompletableFuture<Long> requestCheckpoint() {
        return requests.ask(this::checkpoint);
    }

    /** Rolls back: to the checkpoint of a number, or to the one most worth trying. Gives what was done. */
    public CompletableFuture<RollbackRecord> requestRollback(OptionalLong to) {
        return requests.ask(() -> rollBack(to));
    }

    /** Lets the target go: it runs on, untracked. */
    public CompletableFuture<Void> requestDetach() {
        return requests.ask(() -> {
            letGo();
            return null;
        });
    }

    private void requireProtection() {
        if (!isProtecting) {
            throw new BackstepException(Reason.FAILED, "the target is no longer protected");
        }
    }

    private Checkpoint numbered(long id) {
        List<Checkpoint> kept = store.checkpoints();
        return kept.stream().filter(checkpoint -> checkpoint.id() == id).findFirst().orElseThrow(() -> {
            List<String> ids = kept.stream().map(checkpoint -> Long.toString(checkpoint.id())).toList();
            return new BackstepException(Reason.FAILED,
                    "checkpoint " + id + " is not kept; kept are " + String.join(", ", ids));
        });
    }

    /**
     * Takes a checkpoint now, for the engine's thread. When an error comes first, that is treated instead.
     *
     * @return the number of the newest checkpoint, which is the new one or the one that was rolled back to
     * @throws BackstepException as that of the target's capture; or there is no protection
     */
    public long checkpoint() {
        requireProtection();
        try {
            return captures.take().id();
        } catch (BackstepException e) {
            if (e.reason() != Reason.OVERTAKEN) {
                throw e;
            }
            do { // what was restored may be wrong, too
                target.await(clock.getAsLong(), event);
                handle();
                requireProtection();
            } while (event.kind() == TargetEvent.Kind.ERROR);
            return store.newest().id();
        }
    }

    /**
     * Rolls back, for the engine's thread: to the checkpoint of a number, or to the one most worth trying.
     *
     * @throws BackstepException FAILED: it is not kept, or the target cannot be halted; REFUSED: none could be restored, the target runs on
     */
    public RollbackRecord rollBack(OptionalLong to) {
        requireProtection();
        long now = clock.getAsLong();
        Checkpoint wanted = to.isEmpty() ? null : numbered(to.getAsLong());
        BackstepException restless = haltFailure();
        if (restless != null) {
            throw restless;
        }
        long told = log.rollbackCount();
        DetectionRecord detection = noted("ctl", "rollback", now, recovery.assumedEarliestNs(now),
                Retention.UNKNOWN_NS, now);
        boolean restored = wanted == null ? rollBackToBest(now) : rollBackTo(wanted, recovery.nextAttempt(), now);
        if (!restored) {
            target.resume();
        }
        if (wanted != null) {
            recovery.restoredByRequest();
            lessons.forget();
        }
        tell(detection, "rollback asked for", told);
        if (!restored) {
            throw new BackstepException(Reason.REFUSED, "no checkpoint could be restored");
        }
        if (broken != null) {
            throw broken;
        }
        List<RollbackRecord> tried = log.rollbacksSince(told);
        if (tried.isEmpty()) {
            throw new BackstepException(Reason.GONE, "the target ended in the rollback");
        }
        return tried.get(tried.size() - 1);
    }

    /** Ends a wait of the engine's thread early. Any thread. */
    public void wake() {
        target.wake();
    }

    /* ---- looking and telling ---- */

    private void look(long now) {
        target.unprotected().forEach(use -> warnings.tell("not restored by a rollback: " + use));
        nextLookNs = now + LOOK_INTERVAL_NS;
    }

    /** How the run stands, for the engine's thread. */
    public StatusSnapshot status() {
        return accounts.status(clock.getAsLong(), intervalNs);
    }

    /** The kept checkpoints, oldest first, for the engine's thread. */
    public List<Checkpoint> checkpoints() {
        return store.checkpoints();
    }

    /** All that is told of the run. For the engine's thread, until {@link #close()}. */
    public RunRecord record(String version) {
        return accounts.record(version, done ? endedNs : clock.getAsLong(), intervalNs, exit);
    }

    /** Copies of all that was recorded value by value, with names and units as tags. As {@link #record(String)}. */
    public List<Histogram> histograms() {
        return accounts.histograms();
    }

    /** Why the target had to be killed, or null. */
    public BackstepException broken() {
        return broken;
    }

    /* ---- the end ---- */

    /**
     * For a failure of the engine's own thread, which works no more: the target is killed rather than left standing,
     * and whoever waits for an answer is refused.
     */
    public void fail(Throwable why) {
        if (done) {
            return;
        }
        broken = new BackstepException(Reason.BROKEN, "protection has failed: " + why, why);
        try {
            target.kill();
        } finally {
            endedNs = clock.getAsLong();
            done = true;
            requests.refuseAll();
        }
    }

    private void letGo() {
        target.close();
        finish();
    }

    private void finish() {
        endedNs = clock.getAsLong();
        lessons.end(recovery.isOnProbation(endedNs));
        strikes.tell();
        done = true;
        requests.refuseAll();
    }

    /** Lets the target go if it still lives, and frees all memory. May be called twice. */
    @Override
    public void close() {
        if (closed) {
            return;
        }
        closed = true;
        if (!done) {
            letGo();
        }
        target.close();
        store.close();
        captures.close();
        forecast.close();
        rollbacks.close();
    }
}
