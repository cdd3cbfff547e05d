// SPDX-License-Identifier: Apache-2.0
package io.backstep.retain;

import java.util.Arrays;
import java.util.function.DoubleUnaryOperator;

/**
 * The least concave curve that is nowhere below a given rising one, as corners with straight lines between them. Its
 * slope falls everywhere: it is the density that counts when what is thinned out early cannot come back later (the
 * majorant of Grenander, On the theory of mortality measurement, 1956). Immutable; asking allocates nothing.
 */
final class ConcaveCurve {
    private static final double GROWTH = 1.02;

    private final double[] xs;
    private final double[] ys;

    private ConcaveCurve(double[] xs, double[] ys) {
        this.xs = xs;
        this.ys = ys;
    }

    /** Above a curve from 0 to an end, which is looked at in steps that grow by 2 % as soon as that is larger. */
    static ConcaveCurve above(DoubleUnaryOperator curve, double end, double leastStep) {
        double[] xs = new double[16];
        double[] ys = new double[16];
        int corners = 0;
        for (double x = 0;; x = Math.min(end, Math.max(x + leastStep, x * GROWTH))) {
            double y = curve.applyAsDouble(x);
            while (corners >= 2 && isBelow(xs, ys, corners - 1, x, y)) {
                corners--;
            }
            if (corners == xs.length) {
                xs = Arrays.copyOf(xs, 2 * corners);
                ys = Arrays.copyOf(ys, 2 * corners);
            }
            xs[corners] = x;
            ys[corners++] = y;
            if (x >= end) {
                return new ConcaveCurve(Arrays.copyOf(xs, corners), Arrays.copyOf(ys, corners));
            }
        }
    }

    /** True if a corner is not above the line from the one before it to a point after it. */
    private static boolean isBelow(double[] xs, double[] ys, int corner, double x, double y) {
        double run = xs[corner] - xs[corner - 1];
        double rise = ys[corner] - ys[corner - 1];
        return rise * (x - xs[corner - 1]) <= (y - ys[corner - 1]) * run;
    }

    /** Beyond its ends the curve goes on as it was at the end. */
    double at(double x) {
        if (x <= 0) {
            return ys[0];
        }
        if (x >= xs[xs.length - 1]) {
            return ys[ys.length - 1];
        }
        int found = Arrays.binarySearch(xs, x);
        int i = found >= 0 ? found : -found - 2;
        return ys[i] + (ys[i + 1] - ys[i]) * (x - xs[i]) / (xs[i + 1] - xs[i]);
    }
}
