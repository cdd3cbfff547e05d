// SPDX-License-Identifier: Apache-2.0
package io.backstep.bench.retention;

import org.hipparchus.distribution.continuous.NormalDistribution;

/**
 * A figure of a closed form beside the simulated one.
 *
 * @param figure its name, with its unit at the end unless it is a share
 * @param standardError of the simulated one
 * @param isGraded false if the closed form's assumptions do not hold, which is to be seen
 */
record Comparison(String figure, double closed, double simulated, double standardError, boolean isGraded) {
    private static final double ROUNDING = 1e-9;

    /** A share of independent errors; its standard error is that which the closed form implies. */
    static Comparison ofShare(String figure, double closed, double simulated, long errors, boolean isGraded) {
        return new Comparison(figure, closed, simulated, Math.sqrt(closed * (1 - closed) / errors), isGraded);
    }

    /** How many standard errors an interval reaches to both sides, if so many hold at once with that confidence. */
    static double deviations(double confidence, long intervals) {
        return new NormalDistribution().inverseCumulativeProbability(1 - (1 - confidence) / 2 / intervals);
    }

    boolean isWithin(double deviations) {
        return Math.abs(simulated - closed) <= deviations * standardError + ROUNDING * Math.abs(closed);
    }
}
