// SPDX-License-Identifier: Apache-2.0
package io.backstep.retain;

import java.io.FileNotFoundException;
import java.nio.file.Path;

import org.HdrHistogram.EncodableHistogram;
import org.HdrHistogram.Histogram;
import org.HdrHistogram.HistogramIterationValue;
import org.HdrHistogram.HistogramLogReader;

/**
 * An error latency as it was measured: the sum of the histograms of an HdrHistogram log that have no tag or the one of
 * latencies; their values are nanoseconds.
 */
final class MeasuredLatency implements ErrorLatency {
    private static final int DIGITS = 3;
    /** As the log of a run names them. */
    private static final String TAG = "latency-ns";

    private final String file;
    private final Steps steps;

    private MeasuredLatency(String file, Histogram histogram) {
        this.file = file;
        Steps.Builder builder = new Steps.Builder(histogram.getTotalCount());
        for (HistogramIterationValue step : histogram.recordedValues()) {
            builder.add(histogram.lowestEquivalentValue(step.getValueIteratedTo()),
                    histogram.nextNonEquivalentValue(step.getValueIteratedTo()), step.getCountAtValueIteratedTo());
        }
        steps = builder.build();
    }

    /**
     * Reads a log.
     *
     * @throws IllegalArgumentException it cannot be read, or has no latency in it
     */
    static ErrorLatency of(String file) {
        Histogram sum = new Histogram(DIGITS);
        sum.setAutoResize(true);
        try (HistogramLogReader reader = new HistogramLogReader(Path.of(file).toFile())) {
            for (EncodableHistogram next; (next = reader.nextIntervalHistogram()) != null;) {
                boolean isOfLatencies = next.getTag() == null || next.getTag().equals(TAG);
                if (isOfLatencies && next instanceof Histogram histogram) {
                    sum.add(histogram);
                }
            }
        } catch (FileNotFoundException e) {
            throw new IllegalArgumentException("the file cannot be read", e);
        } catch (RuntimeException e) { // the reader's way to say that a line is none of a log
            throw new IllegalArgumentException("the file is no HdrHistogram log", e);
        }
        if (sum.getTotalCount() == 0) {
            throw new IllegalArgumentException("the file has no latency in it");
        }
        return new MeasuredLatency(file, sum);
    }

    @Override
    public double atMost(double ns) {
        return steps.atMost(ns);
    }

    @Override
    public double meanUpTo(double ns) {
        return steps.meanUpTo(ns);
    }

    @Override
    public double mean() {
        return steps.mean();
    }

    @Override
    public double quantile(double probability) {
        return steps.quantile(probability);
    }

    @Override
    public String toString() {
        return "hist:" + file;
    }
}
