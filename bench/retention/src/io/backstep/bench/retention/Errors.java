// SPDX-License-Identifier: Apache-2.0
package io.backstep.bench.retention;

import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.IntStream;

import io.backstep.retain.Outlook;

/**
 * Independent errors, one noticed in every interval of a run whose history is full, each at a random moment of it. Each
 * is looked at, and then all goes on as if it had not been. Seeded.
 */
final class Errors {
    private final Setup setup;
    private final int count;
    private final SplittableRandom random;
    private final Mean kept = new Mean();
    private final Mean lostDifference = new Mean();
    private final Mean[] attempts = {new Mean(), new Mean(), new Mean()};
    private final Mean[] expected = {new Mean(), new Mean(), new Mean()};
    private final Mean[] difference = {new Mean(), new Mean(), new Mean()};
    private double lostSumNs;
    private int covered;
    private int mostKept;

    Errors(Setup setup, int count, long seed) {
        this.setup = setup;
        this.count = count;
        random = new SplittableRandom(seed);
    }

    /** Each figure with what its closed form says: coverage, lost work, and recovery times where there is an order. */
    List<Comparison> simulate() {
        Outlook outlook = Outlook.of(setup.retention(), setup.latency(), setup.intervalNs());
        History history = new History(setup.retention());
        long warmUp = 100 + 2 * setup.retention().longestNs(setup.intervalNs()) / setup.intervalNs();
        for (long i = 0; i < warmUp + count; i++) {
            history.capture(i * setup.intervalNs());
            if (i >= warmUp) {
                error(history.agesNs((i + random.nextDouble()) * setup.intervalNs()), outlook);
            }
        }
        List<Comparison> figures = new ArrayList<>();
        figures.add(Comparison.ofShare("coverage", outlook.coverage(), (double) covered / count, count, true));
        figures.add(ms("lost work ms", outlook.lostNs(), lostSumNs / covered,
                lostDifference.standardError() * count / covered));
        for (int i = 0; setup.order() != null && i < attempts.length; i++) {
            figures.add(ms(List.of("best order ms", "newest first ms", "oldest first ms").get(i),
                    expected[i].value(), attempts[i].value(), difference[i].standardError()));
        }
        return figures;
    }

    double kept() {
        return kept.value();
    }

    int mostKept() {
        return mostKept;
    }

    private static Comparison ms(String figure, double closedNs, double simulatedNs, double standardErrorNs) {
        return new Comparison(figure, closedNs / Setup.NS_PER_MS, simulatedNs / Setup.NS_PER_MS,
                standardErrorNs / Setup.NS_PER_MS, true);
    }

    private void error(double[] agesNs, Outlook outlook) {
        double latencyNs = setup.latency().sample(random);
        kept.add(agesNs.length);
        mostKept = Math.max(mostKept, agesNs.length);
        int clean = 0;
        while (clean < agesNs.length && agesNs[clean] <= latencyNs) {
            clean++;
        }
        if (clean < agesNs.length) {
            covered++;
            lostSumNs += agesNs[clean];
        }
        // The mean lost work is a ratio of two means; this is what is left of its error to the first order.
        lostDifference.add(clean < agesNs.length ? agesNs[clean] - outlook.lostNs() : 0);
        if (setup.order() != null) {
            attempts(0, setup.order().order(agesNs), agesNs, latencyNs);
            attempts(1, IntStream.range(0, agesNs.length).toArray(), agesNs, latencyNs);
            attempts(2, new int[] {agesNs.length - 1}, agesNs, latencyNs);
        }
    }

    private void attempts(int which, int[] order, double[] agesNs, double latencyNs) {
        double ns = 0;
        for (int k : order) {
            ns += Setup.ROLLBACK_NS + agesNs[k];
            if (agesNs[k] > latencyNs) {
                break;
            }
        }
        double expectedNs = setup.order().expectedNs(order, agesNs, 0);
        attempts[which].add(ns);
        expected[which].add(expectedNs);
        difference[which].add(ns - expectedNs);
    }
}
