// SPDX-License-Identifier: Apache-2.0
package io.backstep.retain;

import java.util.Arrays;

/**
 * The order of attempts with the least expected time from an error to a correct run that has come as far again.
 *
 * <p>A rollback takes r. A checkpoint of age a is clean if the fault is younger, and then a of work is repeated. If
 * not, the target repeats the same a and the error shows itself again: r + a were lost, newer checkpoints are gone, and
 * the fault is known to be at least a old. So an order is a choice of ages that rise and end with the oldest. With
 * S(a) = 1 - F(a), the probability that a checkpoint of age a holds the fault, and W(j) = S(a_j) times the expected time
 * from when a_j has failed, Bellman's equation (Dynamic Programming, 1957) is
 *
 * <pre>
 *   W(j) = min over k &gt; j of  S(a_j) r + (S(a_j) - S(a_k)) a_k + S(a_k) a_k + W(k)
 *        = min over k &gt; j of  S(a_j) (r + a_k) + W(k)          W(oldest) = S(oldest) times what a restart takes
 * </pre>
 *
 * <p>A restart comes last in each order and so has no part in the choice. Immutable.
 */
public final class RecoveryOrder {
    /** What a rollback takes if nobody has measured it. */
    public static final long ROLLBACK_NS_DEFAULT = 1_000_000;

    private final ErrorLatency latency;
    private final double rollbackNs;

    /** @param rollbackNs what a rollback takes, whichever it is */
    public RecoveryOrder(ErrorLatency latency, double rollbackNs) {
        this.latency = latency;
        this.rollbackNs = rollbackNs;
    }

    /** For rollbacks that take as long, and another latency. */
    RecoveryOrder of(ErrorLatency other) {
        return new RecoveryOrder(other, rollbackNs);
    }

    /**
     * The index of the checkpoint to try first.
     *
     * @param agesNs of the checkpoints when the error was noticed, ascending, at least one
     * @param atLeastNs the fault is known to be at least that old
     * @param atMostNs the fault is known to be at most that old; infinity if it is not
     */
    public int first(double[] agesNs, double atLeastNs, double atMostNs) {
        return next(agesNs, surviving(agesNs, atLeastNs, atMostNs))[0];
    }

    /** The indexes to try one after the other, until one is clean. The last is the oldest. */
    public int[] order(double[] agesNs) {
        int[] next = next(agesNs, surviving(agesNs, 0, Double.POSITIVE_INFINITY));
        int[] order = new int[agesNs.length];
        int length = 0;
        for (int at = next[0]; at < agesNs.length; at = next[at + 1]) {
            order[length++] = at;
        }
        return Arrays.copyOf(order, length);
    }

    /**
     * The expected time of an order.
     *
     * @param order rising indexes
     * @param restartNs what it takes if all of them fail
     */
    public double expectedNs(int[] order, double[] agesNs, double restartNs) {
        double expected = 0;
        double left = 1;
        for (int k : order) {
            expected += left * (rollbackNs + agesNs[k]);
            left = 1 - latency.atMost(agesNs[k]);
        }
        return expected + left * restartNs;
    }

    /**
     * S at the age that is known, then at each checkpoint's, all times one factor. If the latency cannot be what it is
     * known to be, nothing is clean but what is known to be.
     */
    private double[] surviving(double[] agesNs, double atLeastNs, double atMostNs) {
        double most = latency.atMost(atMostNs);
        boolean isPossible = most - latency.atMost(atLeastNs) > 0;
        double[] surviving = new double[agesNs.length + 1];
        surviving[0] = isPossible ? most - latency.atMost(atLeastNs) : 1;
        for (int i = 0; i < agesNs.length; i++) {
            double left = isPossible ? most - latency.atMost(Math.max(atLeastNs, agesNs[i])) : 1;
            surviving[i + 1] = agesNs[i] >= atMostNs ? 0 : left;
        }
        return surviving;
    }

    /** Which index follows after a start (place 0) and after each index (place i + 1); the length for none. */
    private int[] next(double[] agesNs, double[] surviving) {
        int count = agesNs.length;
        int[] next = new int[count + 1];
        double[] expected = new double[count + 1];
        next[count] = count;
        for (int j = count - 1; j >= 0; j--) {
            expected[j] = Double.POSITIVE_INFINITY;
            for (int k = j; k < count; k++) {
                double ns = surviving[j] * (rollbackNs + agesNs[k]) + expected[k + 1];
                if (ns < expected[j]) { // of equals, the newest
                    expected[j] = ns;
                    next[j] = k;
                }
            }
        }
        return next;
    }
}
