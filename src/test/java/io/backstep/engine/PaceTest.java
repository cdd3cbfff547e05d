// SPDX-License-Identifier: Apache-2.0
package io.backstep.engine;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.SplittableRandom;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class PaceTest {
    private static final double MS = 1e6;
    private static final long SEED = 5;

    /** What a capture costs. */
    @FunctionalInterface
    private interface Plant {
        double costNs(double intervalNs, double nowNs);
    }

    private final SplittableRandom random = new SplittableRandom(SEED);
    private long nowNs;

    /** Runs it for a time; gives the share that the captures cost. */
    private double run(Pace pace, double ms, Plant plant) {
        double endNs = nowNs + ms * MS;
        double costs = 0;
        long beganNs = nowNs;
        while (nowNs < endNs) {
            long intervalNs = pace.intervalNs();
            nowNs += intervalNs;
            double cost = plant.costNs(intervalNs, nowNs);
            costs += cost;
            pace.captured(nowNs, cost);
        }
        return costs / (nowNs - beganNs);
    }

    private Pace pace(double share) {
        Pace pace = new Pace(share, 50_000_000);
        pace.started(nowNs);
        return pace;
    }

    /** Some pages are written again and again; others are new all the time. */
    private static double costNs(double intervalNs) {
        return 0.15 * MS + 0.4 * MS * -Math.expm1(-intervalNs / (20 * MS)) + 0.002 * intervalNs;
    }

    @ParameterizedTest
    @ValueSource(doubles = {0.005, 0.01, 0.02, 0.05, 0.1})
    void shouldHoldTheShare(double share) {
        Pace pace = pace(share);
        run(pace, 60_000, (intervalNs, now) -> costNs(intervalNs));

        double held = run(pace, 10_000, (intervalNs, now) -> costNs(intervalNs));

        assertEquals(share, held, 0.01 * share);
        assertEquals(share, pace.lately(), 0.01 * share);
        assertEquals(Pace.Reason.OVERHEAD, pace.reason());
    }

    @Test
    void shouldHoldTheShareUnderNoise() {
        Pace pace = pace(0.02);
        Plant noisy = (intervalNs, now) -> costNs(intervalNs) * -Math.log1p(-random.nextDouble());
        run(pace, 2_000, noisy);

        assertEquals(0.02, run(pace, 60_000, noisy), 0.1 * 0.02, "seed " + SEED);
    }

    /** One capture of fifty costs twenty times as much. */
    @Test
    void shouldHoldTheShareUnderBursts() {
        Pace pace = pace(0.02);
        Plant bursts = (intervalNs, now) -> costNs(intervalNs) * (random.nextInt(50) == 0 ? 20 : 1);
        run(pace, 2_000, bursts);

        assertEquals(0.02, run(pace, 60_000, bursts), 0.2 * 0.02, "seed " + SEED);
    }

    /** Within 40 captures. */
    @ParameterizedTest
    @ValueSource(doubles = {0.1, 0.5, 2, 10})
    void shouldFollowAStep(double factor) {
        Pace pace = pace(0.02);
        run(pace, 5_000, (intervalNs, now) -> 0.3 * MS);
        long before = pace.intervalNs();
        for (int i = 0; i < 40; i++) {
            run(pace, 0.001, (intervalNs, now) -> factor * 0.3 * MS);
        }

        assertEquals(factor * before, pace.intervalNs(), 0.1 * factor * before);
    }

    /** Programs write most when they begin; that shall not leave them nearly unprotected for long. */
    @Test
    void shouldComeDownFromADearBeginningWithinSeconds() {
        Pace pace = pace(0.01);
        run(pace, 500, (intervalNs, now) -> 30 * MS);
        assertEquals(EngineOptions.LONGEST_INTERVAL_NS, pace.intervalNs());

        run(pace, 8_000, (intervalNs, now) -> 0.5 * MS);

        assertEquals(50 * MS, pace.intervalNs(), 5 * MS);
    }

    @Test
    void shouldStayWithinItsBounds() {
        Pace cheap = pace(0.5);
        run(cheap, 100, (intervalNs, now) -> 100);
        assertEquals(EngineOptions.SHORTEST_INTERVAL_NS, cheap.intervalNs());
        assertEquals(Pace.Reason.SHORTEST, cheap.reason());

        Pace hopeless = pace(0.02);
        run(hopeless, 60_000, (intervalNs, now) -> 0.05 * intervalNs);
        assertEquals(EngineOptions.LONGEST_INTERVAL_NS, hopeless.intervalNs());
        assertEquals(Pace.Reason.LONGEST, hopeless.reason());
        assertEquals(0.05, hopeless.lately(), 0.001);
    }

    @Test
    void shouldBeNoLongerThanYoungsIntervalWhenErrorsComeOften() {
        Pace pace = pace(0.02);
        for (int i = 0; i < 20; i++) {
            run(pace, 100, (intervalNs, now) -> MS);
            pace.error(nowNs);
        }
        run(pace, 0.001, (intervalNs, now) -> MS);

        assertEquals(Math.sqrt(2 * MS * 100 * MS), pace.intervalNs(), 0.15 * pace.intervalNs());
        assertEquals(Pace.Reason.ERRORS, pace.reason());
    }

    @Test
    void shouldComeBackToTheShareWhenErrorsStayAway() {
        Pace pace = pace(0.02);
        for (int i = 0; i < 3; i++) {
            run(pace, 100, (intervalNs, now) -> MS);
            pace.error(nowNs);
        }

        run(pace, 30_000, (intervalNs, now) -> MS);

        assertEquals(50 * MS, pace.intervalNs(), 0.01 * MS);
        assertEquals(Pace.Reason.OVERHEAD, pace.reason());
    }

    @Test
    void shouldLeaveTheIntervalAloneForRareErrors() {
        Pace pace = pace(0.02);
        for (int i = 0; i < 12; i++) {
            run(pace, 60_000, (intervalNs, now) -> MS);
            pace.error(nowNs);
        }
        run(pace, 100, (intervalNs, now) -> MS);

        assertTrue(Math.abs(pace.intervalNs() - 50 * MS) < 0.01 * MS, pace.intervalNs() + " ns");
    }
}
