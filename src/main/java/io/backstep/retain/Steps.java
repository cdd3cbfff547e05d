// SPDX-License-Identifier: Apache-2.0
package io.backstep.retain;

import java.util.Arrays;

/**
 * Counts of latencies by steps of time; those of one step lie evenly within it, since more is not known. Immutable.
 *
 * <pre>
 *   edgesNs       0     e1     e2  ...    the ends of the steps that counted something, and their beginnings
 *   atMost        0     F1     F2  ... 1  F there; in between, F is a straight line
 *   meanUpTo      0     m1     m2  ...    likewise
 * </pre>
 */
final class Steps {
    private final double[] edgesNs;
    private final double[] atMost;
    private final double[] meanUpTo;

    private Steps(double[] edgesNs, double[] atMost, double[] meanUpTo) {
        this.edgesNs = edgesNs;
        this.atMost = atMost;
        this.meanUpTo = meanUpTo;
    }

    /** Adds steps in the order of time. Not thread-safe. */
    static final class Builder {
        private final double total;
        private double[] edges = new double[16];
        private double[] counts = new double[16];
        private double[] means = new double[16];
        private int last;

        /** @param total of all counts to come */
        Builder(double total) {
            this.total = total;
        }

        /** A step that begins where the last one ended, or later. */
        void add(double fromNs, double toNs, double count) {
            if (last + 2 >= edges.length) {
                edges = Arrays.copyOf(edges, 2 * edges.length);
                counts = Arrays.copyOf(counts, edges.length);
                means = Arrays.copyOf(means, edges.length);
            }
            if (fromNs > edges[last]) {
                put(fromNs, counts[last], means[last]);
            }
            put(toNs, counts[last] + count, means[last] + count / total * (fromNs + toNs) / 2);
        }

        private void put(double edge, double count, double mean) {
            last++;
            edges[last] = edge;
            counts[last] = count;
            means[last] = mean;
        }

        Steps build() {
            double[] shares = new double[last + 1];
            for (int i = 1; i < last; i++) {
                shares[i] = Math.min(1, counts[i] / total);
            }
            shares[last] = 1;
            return new Steps(Arrays.copyOf(edges, last + 1), shares, Arrays.copyOf(means, last + 1));
        }
    }

    double atMost(double ns) {
        return at(ns, atMost);
    }

    double meanUpTo(double ns) {
        if (ns <= 0 || ns >= edgesNs[edgesNs.length - 1]) {
            return at(ns, meanUpTo);
        }
        int i = stepOf(ns, edgesNs);
        double share = at(ns, atMost) - atMost[i];
        return meanUpTo[i] + share * (edgesNs[i] + ns) / 2;
    }

    double mean() {
        return meanUpTo[meanUpTo.length - 1];
    }

    /** Looks at steps. */
    @FunctionalInterface
    interface Visitor {
        void step(double fromNs, double toNs, double share);
    }

    /** Those that have something, in the order of time. */
    void forEach(Visitor visitor) {
        for (int i = 1; i < edgesNs.length; i++) {
            if (atMost[i] > atMost[i - 1]) {
                visitor.step(edgesNs[i - 1], edgesNs[i], atMost[i] - atMost[i - 1]);
            }
        }
    }

    double quantile(double probability) {
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
}
