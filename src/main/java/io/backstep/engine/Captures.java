// SPDX-License-Identifier: Apache-2.0
package io.backstep.engine;

import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;

import io.backstep.core.BackstepException;
import io.backstep.core.BackstepException.Reason;
import io.backstep.core.Capture;
import io.backstep.core.Checkpoint;
import io.backstep.core.ExecutionState;
import io.backstep.core.LongVector;
import io.backstep.core.Target;
import io.backstep.retain.Retention;
import io.backstep.store.CheckpointStore;

/**
 * Takes captures and makes checkpoints of them. Frames are supplied before the pause, from what the last ones needed;
 * when the budget is used up what retention misses least goes first. Allocates nothing per capture after warm-up.
 */
final class Captures implements AutoCloseable {
    private static final long SPARE_FRAMES = 512;
    private static final int LIVE_ROUNDS = 4;
    private static final long LIVE_ENOUGH = 1024;
    /** Freed of an average undo log, at least one part of so many. */
    private static final long LITTLE = 4;
    private static final long MERGE_AGAIN = 32;

    private final Target target;
    private final CheckpointStore store;
    private final Retention retention;
    private final Forecast forecast;
    private final RunLog log;
    private final Capture capture = new Capture();
    private final Deque<ExecutionState> freeStates;
    private final Stock stock;
    private boolean historyShortened;
    private boolean mergingFrees = true;
    private long drops;
    private long copiedBefore;
    private long lostPages;
    private long nextId = 1;

    /** States that the store is done with come back through the given queue. */
    Captures(Target target, CheckpointStore store, Retention retention, Forecast forecast, RunLog log,
            Deque<ExecutionState> freeStates) {
        this.target = target;
        this.store = store;
        this.retention = retention;
        this.forecast = forecast;
        this.log = log;
        this.freeStates = freeStates;
        stock = new Stock(target.pool(), this::supply);
    }

    static Deque<ExecutionState> newStateQueue() {
        return new ArrayDeque<>();
    }

    /** Whether the oldest checkpoint had to be dropped before its time since it was asked last. */
    boolean takeHistoryShortened() {
        boolean shortened = historyShortened;
        historyShortened = false;
        return shortened;
    }

    /** Has frames ready before the first pause. */
    void prepare() {
        supply(SPARE_FRAMES);
        stock.fill();
    }

    /** Copies most of a running target ahead of its first pause. One that changes too fast for that is left to the pause. */
    void preCopy() {
        for (int round = 0; round < LIVE_ROUNDS; round++) {
            capture.live(true);
            try {
                into(capture);
            } catch (BackstepException e) {
                if (e.reason() != Reason.FAILED) {
                    throw e;
                }
                return;
            } finally {
                capture.live(false);
            }
            store.preload(capture);
            if (capture.pages().size() < LIVE_ENOUGH) {
                return;
            }
        }
    }

    /**
     * Takes a checkpoint.
     *
     * @throws BackstepException OUT_OF_BUDGET: not even one checkpoint beside the new one fits; otherwise as the
     *         target's.
     */
    Checkpoint take() {
        ExecutionState state = freeStates.isEmpty() ? target.newState() : freeStates.removeLast();
        forecast.fill(capture);
        try {
            into(capture.state(state));
        } catch (BackstepException e) {
            if (e.reason() != Reason.OVERTAKEN && e.reason() != Reason.GONE) {
                log.captureFailed();
            }
            freeStates.addLast(state);
            throw e;
        }
        long copied = capture.pages().size();
        long saved = capture.saved().frameCount();
        store.leaveOutUnchanged(capture, forecast.leftWritable());
        long written = forecast.judge(capture, copied);
        Checkpoint checkpoint = store.publish(capture, nextId++);
        dropWhatIsLost();
        for (Checkpoint excess; (excess = retention.excess(store.checkpoints())) != null;) {
            store.drop(excess);
        }
        log.captured(capture, written, copied, saved, target.heldBytes(),
                capture.pauseNs() + capture.joinedNs() + forecast.faultsNs());
        commit();
        // Of two, the smaller: what was needed once, as at the start, is not laid ready again.
        long usual = Math.min(copied, copiedBefore);
        copiedBefore = copied;
        long likelyNeed = usual + (usual >> 1) + SPARE_FRAMES;
        stock.takeBack(capture.frames());
        supplyAnew(likelyNeed);
        stock.expect(saved);
        return checkpoint;
    }

    /** Memory that was given back before it was saved: no checkpoint before the new one can be restored. */
    private void dropWhatIsLost() {
        lostPages += capture.lostPages();
        while (capture.lostPages() > 0 && store.checkpoints().size() > 1) {
            store.drop(store.checkpoints().get(0));
        }
    }

    /** How many pages were given back, so that checkpoints had to be dropped. */
    long lostPages() {
        return lostPages;
    }

    /**
     * Sees to it that the target has frames for what it saves by itself.
     *
     * @throws BackstepException OUT_OF_BUDGET: there are none left
     */
    void stockUp() {
        stock.fill();
    }

    /** Lets go of output that no kept checkpoint can take back. */
    void commit() {
        target.commit(store.checkpoints().get(0).state());
    }

    /** For what is a guess, from before the pause, no history is given up. */
    private void into(Capture wanted) {
        while (!target.capture(wanted)) {
            boolean isGuess = wanted.isNeedGuessed();
            if (!supply(wanted.frames(), wanted.framesNeeded(), !isGuess) && !isGuess) {
                target.abandonCapture();
                throw new BackstepException(Reason.OUT_OF_BUDGET, "a capture needs " + wanted.framesNeeded()
                        + " pages, more than is left of the memory budget of " + store.budgetBytes() + " bytes");
            }
        }
    }

    /**
     * Has frames ready in the order of their addresses: what is likely to be needed, and half of what was ready beyond
     * that, so that what varies finds what it needs.
     */
    private void supplyAnew(long likelyNeed) {
        long ready = capture.frames().size();
        store.takeBack(capture.frames());
        if (!supply(Math.max(likelyNeed, (likelyNeed + ready) / 2))) {
            supply(ready);
        }
    }

    /** Has that many frames ready, at the cost of old history if need be. */
    private boolean supply(long frames) {
        return supply(capture.frames(), frames, true);
    }

    private boolean supply(LongVector into, long frames, boolean atAnyPrice) {
        while (!store.supply(into, frames)) {
            List<Checkpoint> kept = store.checkpoints();
            if (kept.size() < 2 || !atAnyPrice) {
                return false;
            }
            giveUpOne(kept);
        }
        return true;
    }

    /**
     * What lies in between is missed less than the oldest. But only pages that were written on both sides of it are
     * freed with it; where these are few, the oldest goes, and now and then it is tried again.
     */
    private void giveUpOne(List<Checkpoint> kept) {
        boolean isTried = mergingFrees || ++drops % MERGE_AGAIN == 0;
        Checkpoint inBetween = isTried ? retention.leastMissed(kept) : null;
        if (inBetween == null) {
            store.drop(kept.get(0));
            historyShortened = true;
            return;
        }
        long beforeBytes = store.undoBytes();
        long logs = kept.size() - 1;
        store.drop(inBetween);
        mergingFrees = (beforeBytes - store.undoBytes()) * logs * LITTLE >= beforeBytes;
    }

    @Override
    public void close() {
        capture.close();
        stock.close();
        freeStates.forEach(ExecutionState::close);
        freeStates.clear();
    }
}
