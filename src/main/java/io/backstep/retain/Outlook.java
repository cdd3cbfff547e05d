// SPDX-License-Identifier: Apache-2.0
package io.backstep.retain;

import java.util.Arrays;

import org.hipparchus.analysis.integration.gauss.GaussIntegrator;
import org.hipparchus.analysis.integration.gauss.GaussIntegratorFactory;

/**
 * What a retention achieves for errors of a latency, when its history is full and each capture comes in time.
 *
 * <p>An error is noticed u after a capture, evenly over the interval T, with checkpoints of ascending ages a(0) = 0 to
 * a(n) at that capture. With phi(a) as the mean of F over a..a+T, and x F(x) having the mean chi(a) there:
 *
 * <pre>
 *   coverage              E[F(a(n) + u)]                            =  phi(a(n))
 *   lost work, if clean   E[a(newest clean) + u; one is clean]      =  chi(a(n)) - sum of (a(i) - a(i-1)) phi(a(i-1))
 *   with none left out                                              =  chi(a(n)) - integral of F over 0..a(n)
 * </pre>
 *
 * averaged over the captures of the steady state; lost work then divided by the coverage. A history of more than 20,000
 * intervals is looked at as if they were longer.
 *
 * @param coverage the probability that a clean checkpoint is there
 * @param lostNs the expected age of the newest clean checkpoint, if there is one
 * @param leastLostNs the same, if every checkpoint up to the oldest were kept
 * @param kept how many checkpoints are kept, on average
 * @param mostKept how many at most
 * @param longestNs how old the oldest becomes
 */
public record Outlook(double coverage, double lostNs, double leastLostNs, double kept, int mostKept, long longestNs) {
    private static final int QUADRATURE_POINTS = 16;

    /** Of any retention. */
    public static Outlook of(Retention retention, ErrorLatency latency, long intervalNs) {
        long longestNs = retention.longestNs(intervalNs);
        long playedNs = SteadyState.playedIntervalNs(intervalNs, longestNs);
        Sums sums = new Sums(latency, playedNs);
        SteadyState.play(retention, intervalNs, sums::add);
        return sums.outlook();
    }

    private static final class Sums {
        private final ErrorLatency latency;
        private final double intervalNs;
        private final GaussIntegrator quadrature =
                new GaussIntegratorFactory().legendre(QUADRATURE_POINTS, 0, 1);
        private double[] phi = new double[0];
        private double[] chi = new double[0];
        private double covered;
        private double lost;
        private double leastLost;
        private long keptSum;
        private long captures;
        private int mostKept;
        private long oldest;

        private Sums(ErrorLatency latency, double intervalNs) {
            this.latency = latency;
            this.intervalNs = intervalNs;
        }

        private void add(int[] ages, int count) {
            int last = ages[count - 1];
            covered += phi(last);
            lost += chi(last);
            leastLost += chi(last) - latency.integral(last * intervalNs);
            for (int i = 1; i < count; i++) {
                lost -= (ages[i] - ages[i - 1]) * intervalNs * phi(ages[i - 1]);
            }
            keptSum += count;
            captures++;
            mostKept = Math.max(mostKept, count);
            oldest = Math.max(oldest, last);
        }

        private double phi(int age) {
            phi = upTo(age, phi);
            if (Double.isNaN(phi[age])) {
                phi[age] = latency.atMostOnAverage(age * intervalNs, (age + 1) * intervalNs);
            }
            return phi[age];
        }

        private double chi(int age) {
            chi = upTo(age, chi);
            if (Double.isNaN(chi[age])) {
                chi[age] = quadrature.integrate(u -> {
                    double ns = (age + u) * intervalNs;
                    return ns * latency.atMost(ns);
                });
            }
            return chi[age];
        }

        private static double[] upTo(int age, double[] known) {
            if (age < known.length) {
                return known;
            }
            double[] longer = Arrays.copyOf(known, Math.max(16, 2 * age));
            Arrays.fill(longer, known.length, longer.length, Double.NaN);
            return longer;
        }

        private Outlook outlook() {
            return new Outlook(covered / captures, lost / covered, leastLost / covered, (double) keptSum / captures,
                    mostKept, (long) ((oldest + 1) * intervalNs));
        }
    }
}
