// SPDX-License-Identifier: Apache-2.0
package io.backstep.engine;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

class CopyPriceTest {
    private static final double HOST_NS = 800;
    private static final int PAUSES = 100;

    private final CopyPrice price = new CopyPrice(HOST_NS);

    @Test
    void shouldBeginWithThatOfTheHost() {
        assertEquals(HOST_NS, price.ns());
        price.observe(0, 50_000);
        assertEquals(HOST_NS, price.ns(), "nothing was copied");
    }

    @Test
    void shouldLeaveOutWhatAPauseTakesForAnyNumberOfPages() {
        SplittableRandom random = new SplittableRandom(1);
        for (int i = 0; i < PAUSES; i++) {
            long pages = random.nextLong(1000);
            price.observe(pages, 60_000 + 400 * pages);
        }

        assertEquals(400, price.ns(), 40);
    }

    @Test
    void shouldDivideTheTimeWherePagesAreTheSame() {
        observeOften(1000, 300_000);

        assertEquals(300, price.ns(), 1);
    }

    @Test
    void shouldNotLetOnePauseThatWasDisturbedDecide() {
        observeOften(1000, 300_000);
        price.observe(1000, 30_000_000);

        assertEquals(300, price.ns(), 150);
    }

    @Test
    void shouldFollowAndStayNearThatOfTheHost() {
        observeOften(1000, 10_000_000);
        assertEquals(4 * HOST_NS, price.ns());

        observeOften(1000, 1);
        assertEquals(HOST_NS / 4, price.ns());
    }

    private void observeOften(long pages, long tookNs) {
        for (int i = 0; i < PAUSES; i++) {
            price.observe(pages, tookNs);
        }
    }
}
