// SPDX-License-Identifier: Apache-2.0
package io.backstep.retain;

import java.util.List;
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

    /** Lies between the least and the greatest of the parts' quantiles. */
    @Override
    public double quantile(double probability) {
        double low = parts.stream().mapToDouble(part -> part.latency.quantile(probability)).min().orElseThrow();
        double high = parts.stream().mapToDouble(part -> part.latency.quantile(probability)).max().orElseThrow();
        if (low == high || high == Double.POSITIVE_INFINITY || atMost(low) >= probability) {
            return atMost(low) >= probability ? low : high;
        }
        if (atMost(high) <= probability) {
            return high;
        }
        return new BracketingNthOrderBrentSolver(RELATIVE_ACCURACY, 1, SOLVER_ORDER)
                .solve(MOST_STEPS, x -> atMost(x) - probability, low, high);
    }

    @Override
    public String toString() {
        return parts.stream().map(Part::toString).collect(Collectors.joining("+", "mix:", ""));
    }
}
