// SPDX-License-Identifier: Apache-2.0
package io.backstep.retain;

import java.math.BigDecimal;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.StringJoiner;

import io.backstep.core.Units;

/**
 * An error latency that was stated, corrected by what a run observed. The stated distribution F0 counts as much as w
 * observations. With n latencies observed, of which x(i) is known the posterior mean of a Dirichlet process with base
 * w F0 is (Ferguson, A Bayesian analysis of some nonparametric problems, The Annals of Statistics 1(2), 1973)
 *
 * <pre>
 *   F(x)  =  ( w F0(x) + sum over i of [x(i) &lt;= x] ) / (w + n)
 * </pre>
 *
 * Of a latency with bounds, for [x(i) &lt;= x] stands its probability within its bounds by F itself. So F is the fixed
 * point of this equation, which is found by repeating it: the self-consistency of Turnbull (The empirical distribution
 * function with arbitrarily grouped, censored and truncated data, Journal of the Royal Statistical Society B 38(3),
 * 1976) with a prior. Bounds where F has nothing are taken to be from the lower one to twice of it, evenly.
 *
 * <p>What was observed is known by cells of 6 % and lies evenly in each. The text form is a mixture of what was stated
 * and of some twenty uniform distributions, more where few values have most, and can be given to {@link
 * ErrorLatency#parse}. Immutable.
 */
public final class LearntLatency implements ErrorLatency {
    /** As many observations weigh as much as what was stated. */
    public static final double STATED_WEIGHT = 20;

    private static final int MOST_ROUNDS = 500;
    private static final double ENOUGH = 1e-7;
    private static final int MILLION = 1_000_000;
    private static final int MILLION_DIGITS = 6;
    private static final double TEXT_MUCH = 0.025;
    /** Where the uniform distributions of the text meet: more of them where coverages are asked for. */
    private static final double[] TEXT_SHARES = {0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65,
        0.7, 0.75, 0.8, 0.85, 0.9, 0.93, 0.96, 0.98, 0.99, 0.995, 1};

    private final ErrorLatency stated;
    private final double statedShare;
    private final Steps observed;

    private LearntLatency(ErrorLatency stated, double statedShare, Steps observed) {
        this.stated = stated;
        this.statedShare = statedShare;
        this.observed = observed;
    }

    /** What is known; without an observation, what was stated. */
    public static ErrorLatency of(ErrorLatency stated, LatencyObservations observations) {
        return of(stated, STATED_WEIGHT, observations);
    }

    /** @param weight how many observations weigh as much as what was stated; more than 0 */
    static ErrorLatency of(ErrorLatency stated, double weight, LatencyObservations observations) {
        if (observations.count() == 0) {
            return stated;
        }
        double[] counts = new Fit(stated, weight, observations).counts();
        double total = 0;
        for (double cell : counts) {
            total += cell;
        }
        Steps.Builder steps = new Steps.Builder(total);
        for (int cell = 0; cell < counts.length; cell++) {
            if (counts[cell] > 0) {
                steps.add(LatencyObservations.edgeNs(cell), LatencyObservations.edgeNs(cell + 1), counts[cell]);
            }
        }
        return new LearntLatency(stated, weight / (weight + total), steps.build());
    }

    /** The fixed point, by repetition. */
    private static final class Fit {
        private final LatencyObservations observations;
        private final double weight;
        private final double[] statedMass = new double[LatencyObservations.cells()];
        private final double[] mass = new double[LatencyObservations.cells()];
        private final double[] counts = new double[LatencyObservations.cells()];

        private Fit(ErrorLatency stated, double weight, LatencyObservations observations) {
            this.observations = observations;
            this.weight = weight;
            double below = 0;
            for (int cell = 0; cell < mass.length; cell++) {
                double above = stated.atMost(LatencyObservations.edgeNs(cell + 1));
                statedMass[cell] = above - below;
                counts[cell] = observations.known(cell);
                below = above;
            }
        }

        private double[] counts() {
            double all = weight + observations.count();
            for (int round = 0; round < MOST_ROUNDS; round++) {
                double change = 0;
                for (int cell = 0; cell < mass.length; cell++) {
                    double next = (weight * statedMass[cell] + counts[cell]) / all;
                    change += Math.abs(next - mass[cell]);
                    mass[cell] = next;
                }
                if (change < ENOUGH) {
                    break;
                }
                expect();
            }
            return counts;
        }

        /** What each cell has of the known ones, and is expected to have of those with bounds. */
        private void expect() {
            double[] upTo = new double[mass.length + 1];
            for (int cell = 0; cell < mass.length; cell++) {
                upTo[cell + 1] = upTo[cell] + mass[cell];
                counts[cell] = observations.known(cell);
            }
            double[] slope = new double[mass.length + 1];
            for (int i = 0; i < observations.bounds(); i++) {
                int from = observations.from(i);
                int to = observations.to(i);
                double within = upTo[to + 1] - upTo[from];
                if (within <= ENOUGH / weight) {
                    spread(from, to, observations.times(i));
                } else {
                    slope[from] += observations.times(i) / within;
                    slope[to + 1] -= observations.times(i) / within;
                }
            }
            double factor = 0;
            for (int cell = 0; cell < mass.length; cell++) {
                factor += slope[cell];
                counts[cell] += Math.max(0, factor) * mass[cell];
            }
        }

        private void spread(int from, int to, double times) {
            long twiceNs = (long) Math.max(1, 2 * LatencyObservations.edgeNs(from));
            int last = Math.max(from, Math.min(to, LatencyObservations.cellOf(twiceNs)));
            for (int cell = from; cell <= last; cell++) {
                counts[cell] += times / (last - from + 1);
            }
        }
    }

    @Override
    public double atMost(double ns) {
        return statedShare * stated.atMost(ns) + (1 - statedShare) * observed.atMost(ns);
    }

    @Override
    public double meanUpTo(double ns) {
        return statedShare * stated.meanUpTo(ns) + (1 - statedShare) * observed.meanUpTo(ns);
    }

    @Override
    public double mean() {
        return statedShare * stated.mean() + (1 - statedShare) * observed.mean();
    }

    @Override
    public double quantile(double probability) {
        return LatencyMixture.quantile(probability, this::atMost, stated.quantile(probability),
                observed.quantile(probability));
    }

    @Override
    public String toString() {
        List<String> latencies = new ArrayList<>();
        List<Integer> millionths = new ArrayList<>();
        for (LatencyMixture.Part part : LatencyMixture.partsOf(stated)) {
            latencies.add(part.latency().toString());
            millionths.add((int) Math.rint(MILLION * statedShare * part.weight()));
        }
        for (double[] part : parts()) {
            long fromNs = (long) part[0];
            latencies.add("uniform:" + (fromNs == 0 ? "0" : Units.formatDuration(fromNs)) + ".."
                    + Units.formatDuration((long) part[1]));
            millionths.add((int) Math.rint(MILLION * (1 - statedShare) * part[2]));
        }
        return mixture(latencies, millionths);
    }

    /** Neighbouring steps together, as from, to, share, and share of the first; one with much in it stays by itself. */
    private List<double[]> parts() {
        List<double[]> parts = new ArrayList<>();
        double[] upTo = new double[1];
        observed.forEach((fromNs, toNs, share) -> {
            double[] last = parts.isEmpty() ? null : parts.get(parts.size() - 1);
            boolean isNew = last == null || share >= TEXT_MUCH || last[3] >= TEXT_MUCH
                    || Arrays.stream(TEXT_SHARES).anyMatch(end -> upTo[0] - last[2] < end && upTo[0] >= end);
            if (isNew) {
                parts.add(new double[] {fromNs, toNs, share, share});
            } else {
                last[1] = toNs;
                last[2] += share;
            }
            upTo[0] += share;
        });
        return parts;
    }

    /** What rounding left goes to the largest part. */
    private static String mixture(List<String> latencies, List<Integer> millionths) {
        int left = MILLION - millionths.stream().mapToInt(Integer::intValue).sum();
        int largest = millionths.indexOf(Collections.max(millionths));
        millionths.set(largest, millionths.get(largest) + left);
        StringJoiner parts = new StringJoiner("+", "mix:", "");
        for (int i = 0; i < latencies.size(); i++) {
            if (millionths.get(i) > 0) {
                parts.add(BigDecimal.valueOf(millionths.get(i), MILLION_DIGITS).stripTrailingZeros().toPlainString()
                        + "*" + latencies.get(i));
            }
        }
        return parts.toString();
    }
}
