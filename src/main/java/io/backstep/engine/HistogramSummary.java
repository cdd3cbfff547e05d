// SPDX-License-Identifier: Apache-2.0
package io.backstep.engine;

import org.HdrHistogram.Histogram;

/** What is told of a histogram: percentiles and the maximum, in a unit that its owner names. All zero when empty. */
public record HistogramSummary(long count, double p50, double p90, double p99, double max) {
    public static final HistogramSummary EMPTY = new HistogramSummary(0, 0, 0, 0, 0);

    /** Sums up a histogram; its values are divided, for example by 1000 from nanoseconds to microseconds. */
    public static HistogramSummary of(Histogram histogram, double divisor) {
        if (histogram.getTotalCount() == 0) {
            return EMPTY;
        }
        return new HistogramSummary(
                histogram.getTotalCount(),
                histogram.getValueAtPercentile(50) / divisor,
                histogram.getValueAtPercentile(90) / divisor,
                histogram.getValueAtPercentile(99) / divisor,
                histogram.getMaxValue() / divisor);
    }
}
