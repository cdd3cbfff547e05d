// SPDX-License-Identifier: Apache-2.0
package io.backstep.retain;

import java.util.function.DoubleUnaryOperator;

import io.backstep.core.Units;
import org.hipparchus.distribution.RealDistribution;
import org.hipparchus.distribution.continuous.ExponentialDistribution;
import org.hipparchus.distribution.continuous.LogNormalDistribution;
import org.hipparchus.distribution.continuous.NormalDistribution;
import org.hipparchus.distribution.continuous.UniformRealDistribution;
import org.hipparchus.distribution.continuous.WeibullDistribution;
import org.hipparchus.special.Gamma;

/**
 * An error latency of a known shape. What the library's distributions do not have is the mean up to x, the partial
 * expectation; its closed forms are those of Johnson, Kotz and Balakrishnan, Continuous Univariate Distributions 1.
 */
final class ParametricLatency implements ErrorLatency {
    private final String text;
    private final RealDistribution distribution;
    private final DoubleUnaryOperator meanUpTo;

    private ParametricLatency(String text, RealDistribution distribution, DoubleUnaryOperator meanUpTo) {
        this.text = text;
        this.distribution = distribution;
        this.meanUpTo = meanUpTo;
    }

    /** Mean up to x: m - (m + x) exp(-x/m). */
    static ErrorLatency exponential(long meanNs) {
        requirePositive("mean", meanNs);
        double m = meanNs;
        return new ParametricLatency("exp:mean=" + Units.formatDuration(meanNs), new ExponentialDistribution(m),
                x -> m * -Math.expm1(-x / m) - x * Math.exp(-x / m));
    }

    /** Mean up to x: (x^2 - from^2) / (2 (to - from)). */
    static ErrorLatency uniform(long fromNs, long toNs) {
        if (fromNs >= toNs) {
            throw new IllegalArgumentException("times must ascend, but they are "
                    + Units.formatDuration(fromNs) + ".." + Units.formatDuration(toNs));
        }
        String from = fromNs == 0 ? "0" : Units.formatDuration(fromNs);
        return new ParametricLatency("uniform:" + from + ".." + Units.formatDuration(toNs),
                new UniformRealDistribution(fromNs, toNs), x -> {
            double end = Math.max(fromNs, Math.min(x, toNs));
            return (end - fromNs) * (end + fromNs) / (2.0 * (toNs - fromNs));
        });
    }

    /** Mean up to x: the mean times the normal probability of (ln x - ln median) / sigma - sigma. */
    static ErrorLatency logNormal(long medianNs, double sigma) {
        requirePositive("median", medianNs);
        requirePositive("sigma", sigma);
        double mu = Math.log(medianNs);
        LogNormalDistribution distribution = new LogNormalDistribution(mu, sigma);
        NormalDistribution normal = new NormalDistribution();
        double mean = distribution.getNumericalMean();
        return new ParametricLatency(
                "lognormal:median=" + Units.formatDuration(medianNs) + ",sigma=" + LatencyText.format(sigma),
                distribution, x -> mean * normal.cumulativeProbability((Math.log(x) - mu) / sigma - sigma));
    }

    /** Mean up to x: the mean times the regularised lower gamma function of 1 + 1/shape at (x/scale)^shape. */
    static ErrorLatency weibull(long scaleNs, double shape) {
        requirePositive("scale", scaleNs);
        requirePositive("shape", shape);
        WeibullDistribution distribution = new WeibullDistribution(shape, scaleNs);
        double mean = distribution.getNumericalMean();
        return new ParametricLatency(
                "weibull:scale=" + Units.formatDuration(scaleNs) + ",shape=" + LatencyText.format(shape), distribution,
                x -> mean * Gamma.regularizedGammaP(1 + 1 / shape, Math.pow(x / scaleNs, shape)));
    }

    private static void requirePositive(String name, double value) {
        if (!(value > 0 && value < Double.POSITIVE_INFINITY)) {
            throw new IllegalArgumentException(name + " must be more than 0");
        }
    }

    @Override
    public double atMost(double ns) {
        return ns <= 0 ? 0 : ns == Double.POSITIVE_INFINITY ? 1 : distribution.cumulativeProbability(ns);
    }

    @Override
    public double meanUpTo(double ns) {
        return ns <= 0 ? 0 : meanUpTo.applyAsDouble(ns);
    }

    @Override
    public double mean() {
        return distribution.getNumericalMean();
    }

    @Override
    public double quantile(double probability) {
        return distribution.inverseCumulativeProbability(probability);
    }

    @Override
    public String toString() {
        return text;
    }
}
