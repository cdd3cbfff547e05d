// SPDX-License-Identifier: Apache-2.0
package io.backstep.engine;

import static io.backstep.engine.EngineOptions.LONGEST_INTERVAL_NS;
import static io.backstep.engine.EngineOptions.SHORTEST_INTERVAL_NS;

import java.util.Locale;

/**
 * The interval that keeps what captures cost at a share of the time. Pure; times are nanoseconds. Not thread-safe.
 *
 * <p>With C as what a capture costs on average, lately, and p as the share, the interval is C / p. What a capture costs
 * may itself grow with the interval, as more pages are written; each step goes to the interval that would do for the
 * cost at the present one, and comes to rest where they agree, as long as the cost grows less than the interval does.
 * If it does not, no interval has that share, and the longest is the cheapest.
 *
 * <p>When errors come so often that their lost work counts more than that, with a mean time M between the last ones,
 * the interval is no longer than that with the least waste, the root of 2 C M (Young, A first order approximation to the
 * optimum checkpoint interval, Communications of the ACM 17(9), 1974; Daly, A higher order estimate of the optimum
 * checkpoint interval for restart dumps, Future Generation Computer Systems 22(3), 2006). Captures then cost more than
 * the share.
 */
final class Pace {
    private static final double NEW_COST = 1.0 / 8;
    /** However few captures there are, what is older hardly counts. */
    private static final double LATELY_NS = 1e9;
    private static final double NEW_SHARE = 1.0 / 32;
    private static final int ERRORS = 8;

    /** What the interval is decided by. */
    enum Reason {
        OVERHEAD, ERRORS, SHORTEST, LONGEST;

        String key() {
            return name().toLowerCase(Locale.ROOT);
        }
    }

    private final double share;
    private final long[] errorNs = new long[ERRORS + 1]; // the last ones, and the one before or the start
    private int errors;
    private double costNs;
    private double lateCostNs;
    private double lateTimeNs;
    private long lastNs;
    private long intervalNs;
    private Reason reason = Reason.OVERHEAD;

    /**
     * @param share above 0, below 1
     * @param firstIntervalNs until something is known
     */
    Pace(double share, long firstIntervalNs) {
        this.share = share;
        intervalNs = firstIntervalNs;
    }

    /** The time from which it counts. */
    void started(long nowNs) {
        lastNs = nowNs;
        errorNs[0] = nowNs;
    }

    /** An error occurred. */
    void error(long nowNs) {
        if (errors == ERRORS) {
            System.arraycopy(errorNs, 1, errorNs, 0, ERRORS);
            errors--;
        }
        errorNs[++errors] = nowNs;
    }

    /** A capture was taken, at a cost. */
    void captured(long nowNs, double captureCostNs) {
        double newCost = Math.max(NEW_COST, -Math.expm1((lastNs - nowNs) / LATELY_NS));
        costNs += (captureCostNs - costNs) * (costNs == 0 ? 1 : newCost);
        lateCostNs += (captureCostNs - lateCostNs) * (lateTimeNs == 0 ? 1 : NEW_SHARE);
        lateTimeNs += (nowNs - lastNs - lateTimeNs) * (lateTimeNs == 0 ? 1 : NEW_SHARE);
        lastNs = nowNs;
        decide(nowNs);
    }

    private void decide(long nowNs) {
        double wanted = costNs / share;
        reason = Reason.OVERHEAD;
        if (errors > 0) {
            double betweenNs = (double) (nowNs - errorNs[0]) / errors;
            double young = Math.sqrt(2 * costNs * betweenNs);
            if (young < wanted) {
                wanted = young;
                reason = Reason.ERRORS;
            }
        }
        if (wanted > LONGEST_INTERVAL_NS) {
            reason = Reason.LONGEST;
        } else if (wanted < SHORTEST_INTERVAL_NS) {
            reason = Reason.SHORTEST;
        }
        intervalNs = (long) Math.max(SHORTEST_INTERVAL_NS, Math.min(wanted, LONGEST_INTERVAL_NS));
    }

    /** The time to the next capture. */
    long intervalNs() {
        return intervalNs;
    }

    Reason reason() {
        return reason;
    }

    /** The share of the last captures, of some thirty; NaN before the first. */
    double lately() {
        return lateTimeNs == 0 ? Double.NaN : lateCostNs / lateTimeNs;
    }
}
