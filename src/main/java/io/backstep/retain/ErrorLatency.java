// SPDX-License-Identifier: Apache-2.0
package io.backstep.retain;

import java.util.random.RandomGenerator;

/**
 * How long after a fault its error is noticed, as a distribution; one for each detector. Times are nanoseconds, never
 * negative. Immutable.
 *
 * <p>One text form, read by {@link #parse} and given back by toString:
 *
 * <pre>
 *   exp:mean=20ms                      exponential
 *   uniform:0..1s                      uniform, as a watchdog or an audit adds it
 *   lognormal:median=5ms,sigma=1.5     the logarithm is normal with deviation sigma
 *   weibull:scale=20ms,shape=0.5       at most x with probability 1 - exp(-(x/scale)^shape)
 *   hist:FILE                          measured: an HdrHistogram log whose values are nanoseconds
 *   mix:0.9*exp:mean=1ms+0.1*uniform:0..2s
 * </pre>
 */
public interface ErrorLatency {
    /** The probability F(x) that an error is noticed at most that long after its fault. */
    double atMost(double ns);

    /** The part of the mean that comes from latencies of at most x: the integral of t dF(t) over 0..x. */
    double meanUpTo(double ns);

    /** The mean. Infinity is possible. */
    double mean();

    /** The least time within which an error is noticed with at least a probability in 0..1. */
    double quantile(double probability);

    /** The integral of F over 0..x. In parts: x F(x), less the mean up to x. */
    default double integral(double ns) {
        return ns <= 0 ? 0 : ns * atMost(ns) - meanUpTo(ns);
    }

    /** The mean of F over a range of times that is not empty. */
    default double atMostOnAverage(double fromNs, double toNs) {
        double average = (integral(toNs) - integral(fromNs)) / (toNs - fromNs);
        return Math.max(atMost(fromNs), Math.min(average, atMost(toNs))); // differences of large numbers are rough
    }

    /** One latency at random. */
    default double sample(RandomGenerator random) {
        return quantile(random.nextDouble());
    }

    /**
     * Reads a latency.
     *
     * @throws IllegalArgumentException one line that quotes the text and says what was expected
     */
    static ErrorLatency parse(String text) {
        return LatencyText.parse(text);
    }
}
