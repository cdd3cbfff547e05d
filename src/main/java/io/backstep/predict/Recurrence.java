// SPDX-License-Identifier: Apache-2.0
package io.backstep.predict;

import java.util.Arrays;

/**
 * How likely a page is written in an interval, by in which it was written before. Of these a page's history holds two
 * things: whether it was in each of the last five (its pattern), and how many intervals ago it was the last time, with how
 * many had passed from the time before that to it (its rhythm). For each pattern and each rhythm it is counted how often
 * pages with it were then written, as two-level adaptive branch predictors do (Yeh, Patt: Two-Level Adaptive Training
 * Branch Prediction, MICRO-24, 1991); the counts fade, so that they follow the program's phases. Patterns tell of pages
 * that are written often, rhythms of those to which a program comes back when it has been once round its memory: frames of
 * a film, a ring of buffers, a nursery. For the pages of each pattern that one of the two decides that has cost less
 * lately (McFarling: Combining Branch Predictors, DEC WRL TN-36, 1993).
 *
 * <p>Not thread-safe; allocates nothing after construction.
 */
final class Recurrence {
    /** Of a history. */
    static final int BITS = 17;
    /** Of a page that was written for the first time in the last interval. */
    static final int FIRST = 1;
    /** Of a page of which nothing is known any more. */
    static final int NONE = 0;

    private static final int INTERVALS = 5;
    private static final int PATTERNS = 1 << INTERVALS;
    private static final int COUNT_BITS = 6;
    private static final int LONGEST = (1 << COUNT_BITS) - 1;
    private static final int RHYTHMS = 1 << 2 * COUNT_BITS;
    private static final double FADE = 0.9;
    /** A count below that is none. */
    private static final double LITTLE = 1e-9;
    /** As if so many pages of each rhythm had been seen that were not written. */
    private static final double DOUBT = 4;

    private final double[] patternSeen = new double[PATTERNS];
    private final double[] patternWritten = new double[PATTERNS];
    private final double[] patternCost = new double[PATTERNS];
    private final double[] patternShare = new double[PATTERNS];
    private final double[] rhythmSeen = new double[RHYTHMS];
    private final double[] rhythmWritten = new double[RHYTHMS];
    private final double[] rhythmCost = new double[PATTERNS];
    private final double[] rhythmShare = new double[RHYTHMS];
    private double copyNs;
    private double guardedNs;

    /** A first guess, that counts as much as one page does: a pattern's share of ones. */
    void forget() {
        Arrays.fill(patternSeen, 1);
        Arrays.setAll(patternWritten, pattern -> (double) Integer.bitCount(pattern) / INTERVALS);
        Arrays.fill(rhythmSeen, 0);
        Arrays.fill(rhythmWritten, 0);
        Arrays.fill(patternCost, 0);
        Arrays.fill(rhythmCost, 0);
        weigh(copyNs, guardedNs);
    }

    /** The history after another interval. */
    static int after(int history, boolean written) {
        int ago = history >> INTERVALS & LONGEST;
        int between = history >> INTERVALS + COUNT_BITS;
        int pattern = history << 1 & PATTERNS - 1;
        if (written) {
            return ago + 1 << INTERVALS + COUNT_BITS | pattern | 1;
        }
        return ago + 1 == LONGEST ? NONE : (between << COUNT_BITS | ago + 1) << INTERVALS | pattern;
    }

    /** Before what is learnt of an interval: what is known counts less from here on. */
    void fade() {
        fade(patternSeen);
        fade(patternWritten);
        fade(patternCost);
        fade(rhythmSeen);
        fade(rhythmWritten);
        fade(rhythmCost);
    }

    private static void fade(double[] counts) {
        for (int i = 0; i < counts.length; i++) {
            counts[i] = counts[i] < LITTLE ? 0 : counts[i] * FADE;
        }
    }

    /** Counts a page with this history in the interval after it. */
    void learn(int history, boolean written) {
        int pattern = history & PATTERNS - 1;
        int rhythm = history >> INTERVALS;
        patternCost[pattern] += costNs(patternShare[pattern], written);
        rhythmCost[pattern] += costNs(rhythmShare[rhythm], written);
        patternSeen[pattern]++;
        rhythmSeen[rhythm]++;
        if (written) {
            patternWritten[pattern]++;
            rhythmWritten[rhythm]++;
        }
    }

    private double costNs(double share, boolean written) {
        if (share * guardedNs > copyNs) {
            return copyNs;
        }
        return written ? guardedNs : 0;
    }

    /**
     * After what was learnt: at these prices the next answers are given.
     *
     * @param newCopyNs of a page that is writable
     * @param newGuardedNs of a page that is protected and written
     */
    void weigh(double newCopyNs, double newGuardedNs) {
        copyNs = newCopyNs;
        guardedNs = newGuardedNs;
        for (int i = 0; i < PATTERNS; i++) {
            patternShare[i] = patternWritten[i] / (patternSeen[i] + LITTLE);
        }
        for (int i = 0; i < RHYTHMS; i++) {
            rhythmShare[i] = rhythmWritten[i] / (rhythmSeen[i] + DOUBT);
        }
    }

    /** How likely a page with this history is written in the interval after it. */
    double share(int history) {
        int pattern = history & PATTERNS - 1;
        return rhythmCost[pattern] < patternCost[pattern] ? rhythmShare[history >> INTERVALS] : patternShare[pattern];
    }

    /** What it gains in ns that a page with this history is writable in the interval after it. */
    double gainNs(int history) {
        return history == NONE ? -copyNs : share(history) * guardedNs - copyNs;
    }
}
