// SPDX-License-Identifier: Apache-2.0
package io.backstep.retain;

import java.util.ArrayList;
import java.util.List;

import io.backstep.core.Checkpoint;

/** Plays a retention that has filled its history: a capture at every interval, without an error. */
final class SteadyState {
    private static final long LEAST_CAPTURES = 200;
    /** Of a longer history the beginning is played at a longer interval. */
    private static final long MOST_CAPTURES = 20_000;

    /** Who looks at what is kept. */
    @FunctionalInterface
    interface Observer {
        /**
         * After each capture.
         *
         * @param ages of the kept checkpoints in intervals, ascending, the first 0; valid during the call
         * @param count how many there are
         */
        void kept(int[] ages, int count);
    }

    private SteadyState() {
    }

    /** The interval at which a history is played: the one given, unless that would take too many captures. */
    static long playedIntervalNs(long intervalNs, long longestNs) {
        return Math.max(intervalNs, longestNs / MOST_CAPTURES);
    }

    /** The same history in terms of time: at a longer interval a number of checkpoints would reach back further. */
    private static Retention inTime(Retention retention, long intervalNs, long longestNs) {
        return retention instanceof KeepLast && playedIntervalNs(intervalNs, longestNs) > intervalNs
                ? new KeepSpan(longestNs - intervalNs) : retention;
    }

    /** Plays until the history is full, and then, if what is kept differs from capture to capture, as long again. */
    static void play(Retention retention, long intervalNs, Observer observer) {
        long longestNs = retention.longestNs(intervalNs);
        play(inTime(retention, intervalNs, longestNs), playedIntervalNs(intervalNs, longestNs), longestNs, observer);
    }

    private static void play(Retention retention, long intervalNs, long longestNs, Observer observer) {
        long captures = LEAST_CAPTURES + longestNs / intervalNs;
        long observed = retention instanceof KeepCoverage ? captures : 1;
        List<Checkpoint> kept = new ArrayList<>();
        int[] ages = new int[16];
        for (long i = 0; i < captures + observed; i++) {
            kept.add(new Checkpoint(i, i * intervalNs, null));
            for (Checkpoint excess; (excess = retention.excess(kept)) != null;) {
                kept.remove(excess);
            }
            if (i < captures) {
                continue;
            }
            if (kept.size() > ages.length) {
                ages = new int[2 * kept.size()];
            }
            for (int k = 0; k < kept.size(); k++) {
                ages[k] = (int) (i - kept.get(kept.size() - 1 - k).id());
            }
            observer.kept(ages, kept.size());
        }
    }
}
