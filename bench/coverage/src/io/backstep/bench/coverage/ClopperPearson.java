// SPDX-License-Identifier: Apache-2.0
package io.backstep.bench.coverage;

import org.hipparchus.distribution.continuous.BetaDistribution;

/**
 * The interval around a share that was counted, which holds with at least a confidence (Clopper and Pearson, The use of
 * confidence or fiducial limits illustrated in the case of the binomial, Biometrika 26(4), 1934).
 */
record ClopperPearson(double low, double high) {
    static ClopperPearson of(int hits, int tries, double confidence) {
        double half = (1 - confidence) / 2;
        return new ClopperPearson(
                hits == 0 ? 0 : new BetaDistribution(hits, tries - hits + 1.0).inverseCumulativeProbability(half),
                hits == tries ? 1
                        : new BetaDistribution(hits + 1.0, tries - hits).inverseCumulativeProbability(1 - half));
    }

    boolean contains(double share) {
        return low <= share && share <= high;
    }
}
