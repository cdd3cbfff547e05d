// SPDX-License-Identifier: Apache-2.0
package io.backstep.retain;

import org.hipparchus.linear.Array2DRowRealMatrix;
import org.hipparchus.linear.ArrayRealVector;
import org.hipparchus.linear.LUDecomposition;
import org.hipparchus.linear.RealMatrix;

/**
 * The share of time in which a system does new work, by a Markov chain of three states.
 *
 * <pre>
 *            1 / between errors              coverage / recovery
 *   WORKING -------------------> RECOVERING ---------------------> WORKING
 *      ^                             |
 *      |      1 / restart            |  (1 - coverage) / recovery
 *      +------------------ RESTARTING &lt;
 * </pre>
 *
 * <p>Assumed: errors come at a constant rate and independently, each is noticed, none comes during a recovery or a
 * restart; a fault is transient, so that a clean checkpoint undoes it and a restart does, too; work that is repeated is
 * no new work, so a recovery takes rollbacks and lost work together. After Trivedi, Probability and Statistics with
 * Reliability, Queuing and Computer Science Applications, 2nd edition, chapter 8.
 */
public final class Availability {
    private static final int WORKING = 0;
    private static final int RECOVERING = 1;
    private static final int RESTARTING = 2;

    private Availability() {
    }

    /**
     * The probability of WORKING in the steady state; all times in one unit, none of them 0.
     *
     * @param between the mean time from the end of one error's treatment to the next error
     * @param recovery the mean time of the attempts for one error, successful or not
     * @param coverage the share of errors that the attempts undo
     * @param restart how long a restart takes, with the work that it loses
     */
    public static double of(double between, double recovery, double coverage, double restart) {
        RealMatrix rates = new Array2DRowRealMatrix(3, 3);
        move(rates, WORKING, RECOVERING, 1 / between);
        move(rates, RECOVERING, WORKING, coverage / recovery);
        move(rates, RECOVERING, RESTARTING, (1 - coverage) / recovery);
        move(rates, RESTARTING, WORKING, 1 / restart);
        // Probabilities p with p Q = 0 that add up to 1; one of the three equations follows from the others.
        RealMatrix equations = rates.transpose();
        equations.setRow(RESTARTING, new double[] {1, 1, 1});
        return new LUDecomposition(equations, Double.MIN_NORMAL).getSolver()
                .solve(new ArrayRealVector(new double[] {0, 0, 1})).getEntry(WORKING);
    }

    /** The same for a system that can only be restarted. */
    public static double ofRestarts(double between, double restart) {
        return between / (between + restart);
    }

    private static void move(RealMatrix rates, int from, int to, double rate) {
        rates.addToEntry(from, to, rate);
        rates.addToEntry(from, from, -rate);
    }
}
