// SPDX-License-Identifier: Apache-2.0
package io.backstep.target.region;

import java.util.ArrayList;
import java.util.List;

import io.backstep.core.BackstepException;
import io.backstep.core.BackstepException.Reason;

/** The application's detectors, each asked at every so many captures. For the engine's thread. */
final class Detectors {
    private final List<Detector> detectors = new ArrayList<>();
    private final List<Integer> periods = new ArrayList<>();
    private long[] suspectNs = {};
    private long captures;
    private String finder;

    void add(Detector detector, int everyCaptures) {
        detectors.add(detector);
        periods.add(everyCaptures);
        suspectNs = new long[detectors.size()];
    }

    /**
     * Asks those whose turn it is, before a capture; the first problem ends it. What a detector finds may be as old as
     * the first capture that it was not asked before: that checkpoint and later ones are not to be tried.
     *
     * @throws BackstepException FAILED: a detector failed itself
     */
    Problem check() {
        captures++;
        long nowNs = System.nanoTime();
        for (int i = 0; i < detectors.size(); i++) {
            if (suspectNs[i] == 0) {
                suspectNs[i] = nowNs;
            }
            if (captures % periods.get(i) == 0) {
                Problem problem = check(detectors.get(i));
                if (problem != null) {
                    finder = detectors.get(i).name();
                    return problem.noLaterThan(suspectNs[i]);
                }
                suspectNs[i] = 0;
            }
        }
        return null;
    }

    private static Problem check(Detector detector) {
        try {
            return detector.check();
        } catch (RuntimeException | Error e) { // writers wait meanwhile: they must not for ever
            throw new BackstepException(Reason.FAILED, "detector " + detector.name() + " failed: " + e, e);
        }
    }

    /** Who found the last problem. */
    String finder() {
        return finder;
    }
}
