// SPDX-License-Identifier: Apache-2.0
package io.backstep.retain;

import java.io.FileNotFoundException;
import java.nio.file.Path;
import java.util.Arrays;

import org.HdrHistogram.EncodableHistogram;
import org.HdrHistogram.Histogram;
import org.HdrHistogram.HistogramIterationValue;
import org.HdrHistogram.HistogramLogReader;

/**
 * An error latency as it was measured: the sum of the histograms of an HdrHistogram log that have no tag or the one of
 * latencies; their values are nanoseconds.
 * The latencies that one of the histogram's steps has counted lie evenly within it, since more is not known.
 *
 * <pre>
 *   edgesNs       0     e1     e2  ...    the ends of the steps that counted something, and their beginnings
 *   atMost        0     F1     F2  ... 1  F there; in between, F is a straight line
 *   meanUpTo      0     m1     m2  ...    likewise
 * </pre>
 */
final class MeasuredLatency implements ErrorLatency {
    private static final int DIGITS = 3;
    /** As the log of a run names them. */
    private static final String TAG = "latency-ns";

    private final String file;
    private final double[] edgesNs;
    private final double[] atMost;
    private final double[] meanUpTo;

    private MeasuredLatency(String file, Histogram histogram) {
        this.file = file;
        int most = 1;
        for (HistogramIterationValue ignored : histogram.recordedValues()) {
            most += 2;
        }
        double[] edges = new double[most];
        double[] shares = new double[most];
        double[] means = new double[most];
        int last = 0;
        for (HistogramIterationValue step : histogram.recordedValues()) {
            double from = histogram.lowestEquivalentValue(step.getValueIteratedTo());
            double to = histogram.nextNonEquivalentValue(step.getValueIteratedTo());
            if (from > edges[last]) {
                last++;
                edges[last] = from;
                shares[last] = shares[last - 1];
                means[last] = means[last - 1];
            }
            double share = (double) step.getCountAtValueIteratedTo() / histogram.getTotalCount();
            last++;
            edges[last] = to;
            shares[last] = (double) step.getTotalCountToThisValue() / histogram.getTotalCount();
            means[last] = means[last - 1] + share * (from + to) / 2;
        }
        edgesNs = Arrays.copyOf(edges, last + 1);
        atMost = Arrays.copyOf(shares, last + 1);
        meanUpTo = Arrays.copyOf(means, last + 1);
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
        return at(ns, atMost);
    }

    @Override
    public double meanUpTo(double ns) {
        if (ns <= 0 || ns >= edgesNs[edgesNs.length - 1]) {
            return at(ns, meanUpTo);
        }
        int i = stepOf(ns, edgesNs);
        double share = at(ns, atMost) - atMost[i];
        return meanUpTo[i] + share * (edgesNs[i] + ns) / 2;
    }

    @Override
    public double mean() {
        return meanUpTo[meanUpTo.length - 1];
    }

    @Override
    public double quantile(double probability) {
        if (probability >= 1) {
            return edgesNs[edgesNs.length - 1];
        }
        int i = firstAtLeast(probability, atMost);
        if (i == 0) {
            return 0;
        }
        double share = (probability - atMost[i - 1]) / (atMost[i] - atMost[i - 1]);
        return edgesNs[i - 1] + share * (edgesNs[i] - edgesNs[i - 1]);
    }

    private double at(double ns, double[] values) {
        if (ns <= 0) {
            return 0;
        }
        if (ns >= edgesNs[edgesNs.length - 1]) {
            return values[values.length - 1];
        }
        int i = stepOf(ns, edgesNs);
        return values[i] + (values[i + 1] - values[i]) * (ns - edgesNs[i]) / (edgesNs[i + 1] - edgesNs[i]);
    }

    /** The index of the last edge that is not above a time within the edges. */
    private static int stepOf(double ns, double[] edges) {
        int found = Arrays.binarySearch(edges, ns);
        return found >= 0 ? found : -found - 2;
    }

    private static int firstAtLeast(double value, double[] ascending) {
        int i = Arrays.binarySearch(ascending, value);
        if (i < 0) {
            return -i - 1;
        }
        while (i > 0 && ascending[i - 1] == value) {
            i--;
        }
        return i;
    }

    @Override
    public String toString() {
        return "hist:" + file;
    }
}
