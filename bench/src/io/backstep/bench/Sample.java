// SPDX-License-Identifier: Apache-2.0
package io.backstep.bench;

import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.function.ToDoubleFunction;
import java.util.stream.Stream;

/** Numbers of one kind in the order in which they were measured, and what is told of them. */
public final class Sample {
    /** Seed of the resampling: the same numbers give the same interval. */
    public static final long SEED = 1;
    private static final int RESAMPLES = 2000;
    private static final double TAIL = 0.025;

    private double[] values = new double[64];
    private int size;

    public void add(double value) {
        if (size == values.length) {
            values = Arrays.copyOf(values, 2 * size);
        }
        values[size++] = value;
    }

    public void addAll(Sample other) {
        for (int i = 0; i < other.size; i++) {
            add(other.values[i]);
        }
    }

    public int size() {
        return size;
    }

    public double value(int index) {
        return values[index];
    }

    public double minimum() {
        return quantile(0);
    }

    public double maximum() {
        return quantile(1);
    }

    public double lowerQuartile() {
        return quantile(0.25);
    }

    public double median() {
        return quantile(0.5);
    }

    public double upperQuartile() {
        return quantile(0.75);
    }

    /** Between two numbers, the value on the line between them. NaN when there are none. */
    public double quantile(double share) {
        double[] sorted = Arrays.copyOf(values, size);
        Arrays.sort(sorted);
        return quantile(sorted, share);
    }

    private static double quantile(double[] sorted, double share) {
        if (sorted.length == 0) {
            return Double.NaN;
        }
        double place = share * (sorted.length - 1);
        int below = (int) place;
        int above = Math.min(below + 1, sorted.length - 1);
        return sorted[below] + (place - below) * (sorted[above] - sorted[below]);
    }

    /** What was measured first, or last. */
    Sample half(boolean second) {
        Sample half = new Sample();
        for (int i = second ? size / 2 : 0; i < (second ? size : size / 2); i++) {
            half.add(values[i]);
        }
        return half;
    }

    private Sample resample(SplittableRandom random) {
        Sample drawn = new Sample();
        for (int i = 0; i < size; i++) {
            drawn.add(values[random.nextInt(size)]);
        }
        return drawn;
    }

    /** The 95 % interval of a statistic, by resampling. */
    Interval interval(ToDoubleFunction<Sample> statistic) {
        SplittableRandom random = new SplittableRandom(SEED);
        Sample drawn = new Sample();
        for (int i = 0; i < RESAMPLES && size > 0; i++) {
            drawn.add(statistic.applyAsDouble(resample(random)));
        }
        return new Interval(drawn.quantile(TAIL), drawn.quantile(1 - TAIL));
    }

    /** The 95 % interval of the ratio of a statistic of one sample to that of another. */
    public static Interval ofRatio(Sample over, Sample under, ToDoubleFunction<Sample> statistic) {
        return ofMeanRatio(List.of(over), List.of(under), statistic);
    }

    /** The 95 % interval of the mean of the ratios of a statistic of some samples to that of others, one by one. */
    public static Interval ofMeanRatio(List<Sample> over, List<Sample> under, ToDoubleFunction<Sample> statistic) {
        SplittableRandom random = new SplittableRandom(SEED);
        Sample drawn = new Sample();
        for (int i = 0; i < RESAMPLES && Stream.concat(over.stream(), under.stream()).allMatch(sample -> sample.size > 0); i++) {
            double sum = 0;
            for (int j = 0; j < over.size(); j++) {
                sum += statistic.applyAsDouble(over.get(j).resample(random)) / statistic.applyAsDouble(under.get(j).resample(random));
            }
            drawn.add(sum / over.size());
        }
        return new Interval(drawn.quantile(TAIL), drawn.quantile(1 - TAIL));
    }

    /** From here to there. */
    public record Interval(double low, double high) {
    }
}
