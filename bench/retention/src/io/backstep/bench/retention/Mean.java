// SPDX-License-Identifier: Apache-2.0
package io.backstep.bench.retention;

/** The mean of independent numbers, with its standard error; by Welford's recurrence. */
final class Mean {
    private long count;
    private double mean;
    private double squares;

    void add(double value) {
        count++;
        double difference = value - mean;
        mean += difference / count;
        squares += difference * (value - mean);
    }

    double value() {
        return mean;
    }

    double standardError() {
        return Math.sqrt(squares / (count - 1) / count);
    }
}
