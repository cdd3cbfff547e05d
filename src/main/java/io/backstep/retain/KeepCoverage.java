// SPDX-License-Identifier: Apache-2.0
package io.backstep.retain;

import java.util.List;
import java.util.Locale;

import io.backstep.core.Checkpoint;
import io.backstep.core.Units;

/**
 * Keeps the checkpoints with which, when an error is noticed, a clean one is there with at least the asked probability,
 * the <em>coverage</em>; of these sets, one of few checkpoints with little expected lost work. The newest follow at the
 * interval, older ones at growing distances. Immutable; for a capture it allocates nothing.
 *
 * <p><b>How far back.</b> A checkpoint of age a is clean if the fault is younger: with probability F(a). Errors are
 * noticed evenly over an interval T, so an oldest checkpoint that is a old at a capture covers
 * 1/T times the integral of F over a..a+T. The span is the least a for which that is the asked coverage. The
 * oldest checkpoint goes as soon as the second-oldest reaches the span.
 *
 * <p><b>Which in between.</b> Without the checkpoint of age a, between a newer one of age n and an older one of age o, a
 * fault with a latency in n..a costs o - a more lost work. So while there are more than wanted, that one is merged into
 * its neighbour for which (F(a) - F(n)) (o - a) is least. It is gone for ever and must be worth its place at every age
 * to come, so in place of F stands the least concave curve above it, up to twice the span, with what is beyond spread
 * evenly. No distance becomes longer than the span, so no checkpoint older than twice that. The distances that result
 * grow about with one over the root of the density, as for the best quantiser under absolute error (Gray and Neuhoff,
 * Quantization, IEEE Transactions on Information Theory 44(6), 1998).
 */
public final class KeepCoverage implements Retention {
    /** Newest, oldest and one on the way to become the oldest. */
    public static final int LEAST_DEPTH = 3;

    private static final double LITTLE_MORE = 1.1;
    private static final int[] DEPTHS = {3, 4, 5, 6, 8, 10, 12, 16, 20, 24, 32, 48, 64, 96, 128};

    private final ErrorLatency latency;
    private final double coverage;
    private final long intervalNs;
    private final int depth;
    private final boolean isOfFew;
    private final long spanNs;
    private final ConcaveCurve curve;
    private final RecoveryOrder order;

    /** For rollbacks that take {@link RecoveryOrder#ROLLBACK_NS_DEFAULT}. */
    public KeepCoverage(ErrorLatency latency, double coverage, long intervalNs, int depth) {
        this(latency, coverage, intervalNs, depth, new RecoveryOrder(latency, RecoveryOrder.ROLLBACK_NS_DEFAULT));
    }

    /**
     * @param coverage above 0, below 1
     * @param intervalNs the time between two captures
     * @param depth the most checkpoints to keep, unless fewer reach the span
     */
    public KeepCoverage(ErrorLatency latency, double coverage, long intervalNs, int depth, RecoveryOrder order) {
        this(latency, coverage, intervalNs, depth, false, order);
    }

    private KeepCoverage(ErrorLatency latency, double coverage, long intervalNs, int depth, boolean isOfFew,
            RecoveryOrder order) {
        if (!(coverage > 0 && coverage < 1)) {
            throw new IllegalArgumentException(
                    "coverage must be between 0 and 1, not " + LatencyText.format(coverage));
        }
        if (depth < LEAST_DEPTH) {
            throw new IllegalArgumentException(
                    "coverage needs at least " + LEAST_DEPTH + " checkpoints, not " + depth);
        }
        this.latency = latency;
        this.coverage = coverage;
        this.intervalNs = intervalNs;
        this.depth = depth;
        this.isOfFew = isOfFew;
        this.order = order;
        spanNs = spanNs(latency, coverage, intervalNs);
        double endNs = longestNs(intervalNs);
        double beyond = 1 - latency.atMost(endNs);
        curve = ConcaveCurve.above(ageNs -> latency.atMostOnAverage(ageNs, ageNs + intervalNs) + beyond * ageNs / endNs,
                endNs, intervalNs);
    }

    /** As few checkpoints as lose at most 10 % more work than if all of them were kept, but at most 128. */
    public static KeepCoverage ofFew(ErrorLatency latency, double coverage, long intervalNs, RecoveryOrder order) {
        KeepCoverage keep = null;
        for (int depth : DEPTHS) {
            keep = new KeepCoverage(latency, coverage, intervalNs, depth, true, order);
            if (isEnough(depth, Outlook.of(keep, latency, intervalNs))) {
                break;
            }
        }
        return keep;
    }

    /** The same, for rollbacks that take {@link RecoveryOrder#ROLLBACK_NS_DEFAULT}. */
    public static KeepCoverage ofFew(ErrorLatency latency, double coverage, long intervalNs) {
        return ofFew(latency, coverage, intervalNs, new RecoveryOrder(latency, RecoveryOrder.ROLLBACK_NS_DEFAULT));
    }

    /** The same coverage: with as many checkpoints at most, or as few as do then. */
    @Override
    public KeepCoverage with(ErrorLatency otherLatency, long otherIntervalNs) {
        RecoveryOrder otherOrder = order.of(otherLatency);
        return isOfFew ? ofFew(otherLatency, coverage, otherIntervalNs, otherOrder)
                : new KeepCoverage(otherLatency, coverage, otherIntervalNs, depth, otherOrder);
    }

    /** The depths from which a good one is chosen. */
    static int[] depths() {
        return DEPTHS.clone();
    }

    /** Whether more checkpoints would hardly lose less work: the planner's idea of few is that of {@link #ofFew}. */
    static boolean isEnough(int depth, Outlook outlook) {
        return outlook.mostKept() < depth || outlook.lostNs() <= LITTLE_MORE * outlook.leastLostNs();
    }

    /** The least age at a capture for which an oldest checkpoint of that age gives the coverage. */
    static long spanNs(ErrorLatency latency, double coverage, long intervalNs) {
        double high = latency.quantile(coverage);
        if (high > Long.MAX_VALUE / 4.0) {
            throw new IllegalArgumentException("a coverage of " + LatencyText.format(coverage)
                    + " of " + latency + " needs a history longer than " + Units.formatDuration(Long.MAX_VALUE / 4));
        }
        long low = (long) Math.max(0, high - intervalNs) - 1;
        long above = (long) Math.ceil(high);
        while (above - low > 1) {
            long middle = (low + above) >>> 1;
            if (middle >= 0 && latency.atMostOnAverage(middle, middle + (double) intervalNs) >= coverage) {
                above = middle;
            } else {
                low = middle;
            }
        }
        return Math.max(0, above);
    }

    @Override
    public Checkpoint excess(List<Checkpoint> oldestFirst) {
        if (KeepSpan.isCoveredWithoutOldest(oldestFirst, spanNs)) {
            return oldestFirst.get(0);
        }
        return oldestFirst.size() > depth ? cheapest(oldestFirst) : null;
    }

    /** What is thinned out next; none if the second-oldest must stay, as the oldest is nearly too old. */
    @Override
    public Checkpoint leastMissed(List<Checkpoint> oldestFirst) {
        return oldestFirst.size() < LEAST_DEPTH ? null : cheapest(oldestFirst);
    }

    /** The checkpoint between the oldest and the newest whose loss costs least; of equals, the oldest. */
    private Checkpoint cheapest(List<Checkpoint> oldestFirst) {
        int newest = oldestFirst.size() - 1;
        long nowNs = oldestFirst.get(newest).atNs();
        Checkpoint best = null;
        double bestCost = Double.POSITIVE_INFINITY;
        boolean isSecondNeeded = oldestFirst.get(2).atNs() - oldestFirst.get(0).atNs() > spanNs;
        for (int i = isSecondNeeded ? 2 : 1; i < newest; i++) {
            Checkpoint checkpoint = oldestFirst.get(i);
            long ageNs = nowNs - checkpoint.atNs();
            double served = curve.at(ageNs) - curve.at(nowNs - oldestFirst.get(i + 1).atNs());
            double cost = served * (checkpoint.atNs() - oldestFirst.get(i - 1).atNs());
            if (cost < bestCost) {
                bestCost = cost;
                best = checkpoint;
            }
        }
        return best;
    }

    @Override
    public Checkpoint first(List<Checkpoint> oldestFirst, long noticedNs, long earliestNs, long latestNs) {
        int count = oldestFirst.size();
        double[] agesNs = new double[count];
        for (int i = 0; i < count; i++) {
            agesNs[i] = noticedNs - oldestFirst.get(count - 1 - i).atNs();
        }
        double atMostNs = earliestNs == UNKNOWN_NS ? Double.POSITIVE_INFINITY : noticedNs - earliestNs;
        return count == 0 ? null
                : oldestFirst.get(count - 1 - order.first(agesNs, noticedNs - latestNs, atMostNs));
    }

    /** The coverage that some checkpoints give until the next capture. */
    public double coverageOf(List<Checkpoint> oldestFirst) {
        if (oldestFirst.isEmpty()) {
            return 0;
        }
        double ageNs = oldestFirst.get(oldestFirst.size() - 1).atNs() - oldestFirst.get(0).atNs();
        return latency.atMostOnAverage(ageNs, ageNs + intervalNs);
    }

    @Override
    public String whyBack(long ageNs) {
        double clean = latency.atMost(ageNs);
        return clean < coverage ? ""
                : "the fault seems to be permanent: the error came back from a checkpoint that was clean with a "
                        + "probability of " + String.format(Locale.ROOT, "%.4f", clean);
    }

    /** The coverage that is asked for. */
    public double coverage() {
        return coverage;
    }

    /** The most checkpoints that are kept, unless fewer reach the span. */
    public int depth() {
        return depth;
    }

    /** How far back the history reaches at least, at a capture. */
    public long spanNs() {
        return spanNs;
    }

    public ErrorLatency latency() {
        return latency;
    }

    @Override
    public long longestNs(long ofIntervalNs) {
        return 2 * spanNs + 2 * Math.min(ofIntervalNs, Long.MAX_VALUE / 8);
    }

    /** What is kept, without the latency that it is for. */
    public String policy() {
        return "coverage " + LatencyText.format(coverage) + ", at most " + depth + " every "
                + Units.formatDuration(intervalNs);
    }

    @Override
    public String toString() {
        return "coverage " + LatencyText.format(coverage) + " of " + latency + ", at most " + depth + " every "
                + Units.formatDuration(intervalNs);
    }
}
