// SPDX-License-Identifier: Apache-2.0
package io.backstep.retain;

import java.util.Arrays;
import java.util.List;
import java.util.function.DoubleUnaryOperator;
import java.util.function.ToDoubleFunction;
import java.util.stream.Collectors;

import org.hipparchus.analysis.solvers.BracketingNthOrderBrentSolver;

/** The error latency of several detectors, or of several kinds of faults: each part with the share of errors it has. */
final class LatencyMixture implements ErrorLatency {
    private static final double ROUNDING = 1e-9;
    private static final double RELATIVE_ACCURACY = 1e-12;
    private static final int MOST_STEPS = 1000;
    private static final int SOLVER_ORDER = 5;

    /** One of the distributions. */
    record Part(double weight, ErrorLatency latency) {
        @Override
        public String toString() {
            return LatencyText.format(weight) + "*" + latency;
        }
    }

    private final List<Part> parts;

    LatencyMixture(List<Part> parts) {
        this.parts = List.copyOf(parts);
        for (Part part : parts) {
            if (!(part.weight > 0)) {
                throw new IllegalArgumentException("each weight must be more than 0");
            }
        }
        double sum = parts.stream().mapToDouble(Part::weight).sum();
        if (!(Math.abs(sum - 1) <= ROUNDING)) {
            throw new IllegalArgumentException("the weights must add up to 1, but do to " + LatencyText.format(sum));
        }
    }

    @Override
    public double atMost(double ns) {
        return weighted(latency -> latency.atMost(ns));
    }

    @Override
    public double meanUpTo(double ns) {
        return weighted(latency -> latency.meanUpTo(ns));
    }

    @Override
    public double mean() {
        return weighted(ErrorLatency::mean);
    }

    private double weighted(ToDoubleFunction<ErrorLatency> value) {
        double sum = 0;
        for (Part part : parts) {
            sum += part.weight * value.applyAsDouble(part.latency);
        }
        return sum;
    }

    @Override
    public double quantile(double probability) {
        return quantile(probability, this::atMost,
                parts.stream().mapToDouble(part -> part.latency.quantile(probability)).toArray());
    }

    /** That of a mixture lies between the least and the greatest of its parts' quantiles. */
    static double quantile(double probability, DoubleUnaryOperator atMost, double... ofParts) {
        double low = Arrays.stream(ofParts).min().orElseThrow();
        double high = Arrays.stream(ofParts).max().orElseThrow();
        if (low == high || high == Double.POSITIVE_INFINITY || atMost.applyAsDouble(low) >= probability) {
            return atMost.applyAsDouble(low) >= probability ? low : high;
        }
        if (atMost.applyAsDouble(high) <= probability) {
            return high;
        }
        return new BracketingNthOrderBrentSolver(RELATIVE_ACCURACY, 1, SOLVER_ORDER)
                .solve(MOST_STEPS, x -> atMost.applyAsDouble(x) - probability, low, high);
    }

    /** Those of a mixture; of anything else, itself. */
    static List<Part> partsOf(ErrorLatency latency) {
        return latency instanceof LatencyMixture mixture ? mixture.parts : List.of(new Part(1, latency));
    }

    @Override
    public String toString() {
        return parts.stream().map(Part::toString).collect(Collectors.joining("+", "mix:", ""));
    }
}
