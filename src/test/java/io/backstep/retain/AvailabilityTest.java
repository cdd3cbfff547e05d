// SPDX-License-Identifier: Apache-2.0
package io.backstep.retain;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.SplittableRandom;

import org.junit.jupiter.api.Test;

class AvailabilityTest {
    /** Of a cycle, the time between errors is work. */
    @Test
    void shouldBeTheShareOfACycle() {
        assertEquals(1000.0 / (1000 + 2 + 0.1 * 50), Availability.of(1000, 2, 0.9, 50), 1e-12);
        assertEquals(1000.0 / 1050, Availability.ofRestarts(1000, 50), 1e-12);
    }

    @Test
    void shouldComeCloseToRestartsWhenNothingIsCovered() {
        assertEquals(Availability.ofRestarts(1000, 50), Availability.of(1000, 1e-6, 0, 50), 1e-9);
    }

    @Test
    void shouldNotCareForTheUnitOfTime() {
        assertEquals(Availability.of(86_400, 0.05, 0.98, 900), Availability.of(86_400e9, 0.05e9, 0.98, 900e9), 1e-12);
    }

    /** From 99 % to 99.98 %, as published for VM-uCheckpoint; here with 98 of 100 errors covered. */
    @Test
    void shouldRaiseTwoNinesToNearlyFour() {
        double restart = 3600;
        double between = 99 * restart;

        assertEquals(0.99, Availability.ofRestarts(between, restart), 1e-9);
        assertEquals(0.9998, Availability.of(between, 1, 0.98, restart), 1e-5);
    }

    @Test
    void shouldBeWhatASimulationFinds() {
        SplittableRandom random = new SplittableRandom(5);
        double working = 0;
        double all = 0;
        for (int i = 0; i < 200_000; i++) {
            double between = exponential(random, 100);
            working += between;
            all += between + exponential(random, 5) + (random.nextDouble() < 0.8 ? 0 : exponential(random, 60));
        }

        assertEquals(working / all, Availability.of(100, 5, 0.8, 60), 0.002);
    }

    private static double exponential(SplittableRandom random, double mean) {
        return -mean * Math.log1p(-random.nextDouble());
    }
}
