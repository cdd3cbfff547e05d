// SPDX-License-Identifier: Apache-2.0
package io.backstep.bench.retention;

import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;

import io.backstep.core.Checkpoint;
import io.backstep.retain.Availability;
import io.backstep.retain.Outlook;
import io.backstep.retain.Retention;

/**
 * One long run with errors one after the other, as the engine treats them: captures at the interval; an error is
 * noticed its latency after its fault; the retention chooses among what is kept; what is newer is gone; from a checkpoint that
 * holds the fault the error comes back after the same work; from a clean one the run goes on, on probation without
 * captures for one and a half times the age and an interval, in which the next error is taken for the same and older
 * checkpoints are tried; when nothing is left there is a restart, and the history begins anew. The next fault comes
 * after the work of before is done again. Seeded.
 */
final class Trace {
    /** More than there are captures between the oldest kept checkpoint and the newest. */
    private static final int RING = 1 << 16;

    private final Setup setup;
    private final int count;
    private final double betweenNs;
    private final long restartNs;
    private final SplittableRandom random;
    private final History history;
    private final long[] workNs = new long[RING]; // of a checkpoint: what was done until then
    private final Mean lost = new Mean();
    private final Mean recovery = new Mean();
    private final Mean workingCycle = new Mean();
    private final Mean wholeCycle = new Mean();
    private final Mean unavailableDifference = new Mean();
    private int covered;
    private int undone;
    private long nowNs;
    private long behindNs; // what of the time until now was no new work
    private long captureNs;
    private long probationEndNs = Long.MIN_VALUE;
    private Checkpoint restored;
    private long firstNoticedNs;

    Trace(Setup setup, int count, long betweenMs, long restartMs, long seed) {
        this.setup = setup;
        this.count = count;
        betweenNs = (double) betweenMs * Setup.NS_PER_MS;
        restartNs = restartMs * Setup.NS_PER_MS;
        random = new SplittableRandom(seed);
        history = new History(setup.retention());
    }

    /**
     * Runs it.
     *
     * @param expectedRecoveryNs of errors that are independent
     */
    List<Comparison> run(double expectedRecoveryNs, boolean isGraded) {
        Outlook outlook = Outlook.of(setup.retention(), setup.latency(), setup.intervalNs());
        double available = Availability.of(betweenNs + setup.latency().mean(), expectedRecoveryNs, outlook.coverage(),
                restartNs);
        runUntil(2 * setup.retention().longestNs(setup.intervalNs()));
        for (int i = 0; i < count; i++) {
            long beganNs = nowNs;
            long faultNs = nowNs + (long) (-betweenNs * Math.log1p(-random.nextDouble()));
            runUntil(faultNs + (long) setup.latency().sample(random));
            double workingNs = nowNs - beganNs;
            treat(faultNs);
            double cycleNs = nowNs - beganNs;
            workingCycle.add(workingNs);
            wholeCycle.add(cycleNs);
            unavailableDifference.add(workingNs - available * cycleNs);
        }
        return List.of(Comparison.ofShare("coverage", outlook.coverage(), (double) covered / count, count, isGraded),
                Comparison.ofShare("undone without a restart", outlook.coverage(), (double) undone / count, count,
                        isGraded),
                ms("lost work ms", outlook.lostNs(), lost, isGraded),
                ms("best order ms", expectedRecoveryNs, recovery, isGraded),
                new Comparison("availability", available, workingCycle.value() / wholeCycle.value(),
                        unavailableDifference.standardError() / wholeCycle.value(), isGraded));
    }

    private static Comparison ms(String figure, double closedNs, Mean simulatedNs, boolean isGraded) {
        return new Comparison(figure, closedNs / Setup.NS_PER_MS, simulatedNs.value() / Setup.NS_PER_MS,
                simulatedNs.standardError() / Setup.NS_PER_MS, isGraded);
    }

    private void runUntil(long endNs) {
        for (; captureNs <= endNs; captureNs += setup.intervalNs()) {
            Checkpoint checkpoint = history.capture(captureNs);
            workNs[(int) (checkpoint.id() % RING)] = captureNs - behindNs;
        }
        nowNs = endNs;
    }

    private long workOf(Checkpoint checkpoint) {
        return workNs[(int) (checkpoint.id() % RING)];
    }

    private void treat(long faultNs) {
        long noticedNs = nowNs;
        long doneNs = nowNs - behindNs;
        countLost(faultNs, doneNs);
        boolean isTakenForSame = nowNs < probationEndNs;
        if (!isTakenForSame) {
            firstNoticedNs = nowNs;
        }
        long failedId = isTakenForSame ? restored.id() : Long.MAX_VALUE;
        long occurredNs = isTakenForSame ? restored.atNs() : nowNs;
        long attemptsNs = 0;
        for (Checkpoint next; (next = next(failedId, occurredNs)) != null;) {
            long lostNs = doneNs - workOf(next);
            long ageNs = nowNs - next.atNs();
            nowNs += Setup.ROLLBACK_NS;
            attemptsNs += Setup.ROLLBACK_NS + lostNs;
            history.dropNewerThan(next);
            if (next.atNs() < faultNs) {
                restored = next;
                behindNs = nowNs - workOf(next);
                probationEndNs = nowNs + ageNs + (ageNs >> 1) + setup.intervalNs();
                captureNs = probationEndNs;
                nowNs += lostNs;
                recovery.add(attemptsNs);
                undone++;
                return;
            }
            nowNs += lostNs;
            failedId = next.id();
            occurredNs = next.atNs();
        }
        recovery.add(nowNs - noticedNs);
        restart(doneNs);
    }

    private Checkpoint next(long failedId, long occurredNs) {
        List<Checkpoint> left = new ArrayList<>();
        for (Checkpoint checkpoint : history.oldestFirst()) {
            if (checkpoint.id() < failedId) {
                left.add(checkpoint);
            }
        }
        return setup.retention().first(left, firstNoticedNs, Retention.UNKNOWN_NS, occurredNs);
    }

    /** The time of a restart contains that of the work that it loses. */
    private void restart(long doneNs) {
        history.clear();
        nowNs += restartNs;
        behindNs = nowNs - doneNs;
        probationEndNs = Long.MIN_VALUE;
        captureNs = nowNs;
    }

    /** Of the newest clean checkpoint, whichever is tried. */
    private void countLost(long faultNs, long doneNs) {
        List<Checkpoint> oldestFirst = history.oldestFirst();
        int i = oldestFirst.size() - 1;
        while (i >= 0 && oldestFirst.get(i).atNs() >= faultNs) {
            i--;
        }
        if (i >= 0) {
            covered++;
            lost.add(doneNs - workOf(oldestFirst.get(i)));
        }
    }
}
