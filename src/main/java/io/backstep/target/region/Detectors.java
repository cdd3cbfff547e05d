// SPDX-License-Identifier: Apache-2.0
package io.backstep.target.region;

import java.util.ArrayList;
import java.util.List;

import io.backstep.core.BackstepException;
import io.backstep.core.BackstepException.Reason;

/**
 * The application's detectors, each asked at every so many captures and after each rollback. What one finds occurred
 * after it last found nothing, and may be as old as the first capture since that it was not asked before: that checkpoint
 * and later ones are not to be tried. For the engine's thread.
 */
final class Detectors {
    private final List<Asked> all = new ArrayList<>();
    private long captures;
    private String finder;

    private static final class Asked {
        final Detector detector;
        final int everyCaptures;
        long wellNs = System.nanoTime();
        boolean isSuspect; // there were captures that it was not asked before
        long suspectNs;

        Asked(Detector detector, int everyCaptures) {
            this.detector = detector;
            this.everyCaptures = everyCaptures;
        }

        void suspect(long nowNs) {
            if (!isSuspect) {
                isSuspect = true;
                suspectNs = nowNs;
            }
        }

        Problem check(long nowNs) {
            Problem problem = detector.check();
            if (problem == null) {
                wellNs = nowNs;
                isSuspect = false;
                return null;
            }
            Problem bounded = problem.noEarlierThan(wellNs);
            return isSuspect ? bounded.noLaterThan(suspectNs) : bounded;
        }
    }

    void add(Detector detector, int everyCaptures) {
        all.add(new Asked(detector, everyCaptures));
    }

    /**
     * Asks those whose turn it is, before a capture; the first problem ends it.
     *
     * @throws BackstepException FAILED: a detector failed itself
     */
    Problem beforeCapture() {
        captures++;
        long nowNs = System.nanoTime();
        for (Asked asked : all) {
            asked.suspect(nowNs);
            Problem problem = captures % asked.everyCaptures == 0 ? checked(asked, nowNs) : null;
            if (problem != null) {
                return problem;
            }
        }
        return null;
    }

    /**
     * Asks all of them whether what was restored is well; the first problem ends it: it was restored, too. Who fails has
     * not said that all is well, and will fail the next capture.
     */
    Problem afterRollback() {
        long nowNs = System.nanoTime();
        for (Asked asked : all) {
            try {
                Problem problem = checked(asked, nowNs);
                if (problem != null) {
                    return problem;
                }
            } catch (BackstepException e) {
                return null;
            }
        }
        return null;
    }

    private Problem checked(Asked asked, long nowNs) {
        try {
            Problem problem = asked.check(nowNs);
            if (problem != null) {
                finder = asked.detector.name();
            }
            return problem;
        } catch (RuntimeException | Error e) { // writers wait meanwhile: they must not for ever
            throw new BackstepException(Reason.FAILED, "detector " + asked.detector.name() + " failed: " + e, e);
        }
    }

    /** Who found the last problem. */
    String finder() {
        return finder;
    }
}
