// SPDX-License-Identifier: Apache-2.0
package io.backstep.example;

import io.backstep.target.process.Victim;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** {@link OrderBookTest} for long: -Dbackstep.minutes=N is how long. */
@Tag("soak")
class OrderBookIT {
    private static final double MINUTES = Double.parseDouble(System.getProperty("backstep.minutes", "30"));

    @BeforeAll
    static void assumeProtection() {
        Victim.assumeProtection();
    }

    @Test
    void shouldEndAsWithoutFaultsAfterALongTime() {
        OrderBookTest.run((long) (MINUTES * 60 * 1_000_000), 300_000);
    }
}
