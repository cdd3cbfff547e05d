// SPDX-License-Identifier: Apache-2.0
package io.backstep.retain;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.stream.IntStream;

/**
 * Compares intervals and depths, and recommends one of them: of those that give the coverage within the budget and
 * waste hardly more time than the best, the one with the shortest recovery.
 */
public final class Planner {
    /** What is kept unless somebody asks. */
    private static final int USUAL = 3;
    private static final double HARDLY_MORE = 1.05;
    private static final int MOST_CANDIDATES = 200;
    private static final int MOMENTS = 25;
    private static final int PHASES = 8;
    /** Coverages below the one asked for are multiples of this share of it. */
    private static final int STEPS = 64;

    private final PlanRequest request;
    private final List<PlanRow> rows = new ArrayList<>();

    private Planner(PlanRequest request) {
        this.request = request;
    }

    /**
     * Makes a plan.
     *
     * @throws IllegalArgumentException the coverage cannot be
     */
    public static Plan plan(PlanRequest request) {
        return new Planner(request).plan();
    }

    private Plan plan() {
        for (long intervalNs : request.intervalsNs()) {
            compare(intervalNs);
        }
        double restarts = Availability.ofRestarts(request.betweenErrorsNs(), request.restartNs());
        Optional<PlanRow> best = best(rows);
        if (best.isPresent()) {
            return new Plan(request, rows, best.get(), request.coverage(), restarts);
        }
        return lessCoverage(restarts);
    }

    /** As much coverage as fits. */
    private Plan lessCoverage(double restarts) {
        Plan found = new Plan(request, rows, null, 0, restarts);
        int fits = 0;
        int tooMuch = STEPS;
        while (tooMuch - fits > 1) {
            int middle = (fits + tooMuch) / 2;
            double coverage = request.coverage() * middle / STEPS;
            Optional<PlanRow> best = best(ofCoverage(coverage));
            if (best.isPresent()) {
                fits = middle;
                found = new Plan(request, rows, best.get(), coverage, restarts);
            } else {
                tooMuch = middle;
            }
        }
        return found;
    }

    private void compare(long intervalNs) {
        rows.add(row(intervalNs, false, USUAL, new KeepLast(USUAL)));
        rows.addAll(thinned(intervalNs, request.coverage()));
        long spanNs = KeepCoverage.spanNs(request.latency(), request.coverage(), intervalNs);
        int count = (int) Math.min(Integer.MAX_VALUE, (spanNs + intervalNs - 1) / intervalNs + 1);
        if (count > USUAL) {
            rows.add(row(intervalNs, false, count, new KeepLast(count)));
        }
    }

    private List<PlanRow> ofCoverage(double coverage) {
        List<PlanRow> found = new ArrayList<>();
        for (long intervalNs : request.intervalsNs()) {
            found.addAll(thinned(intervalNs, coverage));
        }
        return found;
    }

    /** From the least depth to the one that is enough. */
    private List<PlanRow> thinned(long intervalNs, double coverage) {
        List<PlanRow> found = new ArrayList<>();
        for (int depth : KeepCoverage.depths()) {
            PlanRow row = row(intervalNs, true, depth,
                    new KeepCoverage(request.latency(), coverage, intervalNs, depth, request.order()));
            found.add(row);
            if (KeepCoverage.isEnough(depth, row.outlook())) {
                break;
            }
        }
        return found;
    }

    private static Optional<PlanRow> best(List<PlanRow> of) {
        List<PlanRow> fitting = of.stream().filter(row -> row.isThinned() && row.fits()).toList();
        double least = fitting.stream().mapToDouble(PlanRow::waste).min().orElse(1);
        return fitting.stream().filter(row -> row.waste() <= HARDLY_MORE * least)
                .min(Comparator.comparingDouble(PlanRow::recoveryNs));
    }

    private PlanRow row(long intervalNs, boolean isThinned, int depth, Retention retention) {
        Outlook outlook = Outlook.of(retention, request.latency(), intervalNs);
        Moments moments = new Moments(retention, intervalNs);
        double availability = Availability.of(request.betweenErrorsNs(), moments.recoveryNs(), outlook.coverage(),
                request.restartNs());
        double undoBytes = isThinned
                ? moments.mostUndoBytes : (depth - 1) * request.workload().undoBytes(intervalNs);
        double memoryBytes = request.workload().memoryBytes() + undoBytes;
        return new PlanRow(intervalNs, isThinned, depth, outlook,
                moments.recoveryNs(), moments.newestFirstNs(), memoryBytes,
                request.workload().overhead(intervalNs), availability, memoryBytes <= request.budgetBytes());
    }

    /** What is needed at some captures of the steady state, for errors at some moments of the interval that follows. */
    private final class Moments {
        private final double playedNs;
        private final RecoveryOrder order = request.order();
        private final long every;
        private double mostUndoBytes;
        private double recoverySumNs;
        private double newestFirstSumNs;
        private long captures;
        private int taken;

        private Moments(Retention retention, long intervalNs) {
            long longestNs = retention.longestNs(intervalNs);
            long interval = SteadyState.playedIntervalNs(intervalNs, longestNs);
            playedNs = interval;
            every = 1 + longestNs / interval / MOMENTS;
            SteadyState.play(retention, intervalNs, this::add);
        }

        private void add(int[] ages, int count) {
            if (captures++ % every != 0) {
                return;
            }
            mostUndoBytes = Math.max(mostUndoBytes, request.workload().undoBytes(ages, count, playedNs));
            for (int phase = 0; phase < PHASES; phase++) {
                double since = (phase + 0.5) / PHASES;
                double[] agesNs = IntStream.range(0, count).mapToDouble(i -> (ages[i] + since) * playedNs).toArray();
                double[] candidates = some(agesNs);
                recoverySumNs += order.expectedNs(order.order(candidates), candidates, 0);
                newestFirstSumNs += order.expectedNs(IntStream.range(0, count).toArray(), agesNs, 0);
                taken++;
            }
        }

        /** Of very many, some that are evenly spread, with the newest and the oldest. */
        private double[] some(double[] agesNs) {
            int count = Math.min(agesNs.length, MOST_CANDIDATES);
            return IntStream.range(0, count)
                    .mapToDouble(i -> agesNs[count == 1 ? 0 : (int) ((long) i * (agesNs.length - 1) / (count - 1))])
                    .toArray();
        }

        private double recoveryNs() {
            return recoverySumNs / taken;
        }

        private double newestFirstNs() {
            return newestFirstSumNs / taken;
        }
    }
}
