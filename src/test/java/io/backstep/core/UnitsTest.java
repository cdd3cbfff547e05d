// SPDX-License-Identifier: Apache-2.0
package io.backstep.core;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class UnitsTest {
    @ParameterizedTest
    @CsvSource({
        "0s, 0", "1ns, 1", "250us, 250000", "50ms, 50000000", "1s, 1000000000", "1.5s, 1500000000", "0.25us, 250",
        "2m, 120000000000", "1h, 3600000000000", "9223372036854775807ns, 9223372036854775807", "0.6ns, 1"
    })
    void shouldReadTimes(String text, long ns) {
        assertEquals(ns, Units.parseDurationNs(text));
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "s", "50", "-1s", "1 s", "1.s", ".5s", "1S", "1sec", "1e3s", "1s2", "0x1s", "١s"})
    void shouldRejectWhatIsNotATime(String text) {
        IllegalArgumentException e =
                assertThrows(IllegalArgumentException.class, () -> Units.parseDurationNs(text));
        assertEquals("\"" + text + "\" is not a time: expected a number and ns, us, ms, s, m or h, such as 50ms",
                e.getMessage());
    }

    @ParameterizedTest
    @ValueSource(strings = {"9223372036854775808ns", "9223372037s", "2562048h", "99999999999999999999999999h"})
    void shouldRejectTimesThatOverflow(String text) {
        IllegalArgumentException e =
                assertThrows(IllegalArgumentException.class, () -> Units.parseDurationNs(text));
        assertEquals("\"" + text + "\" is too large a time", e.getMessage());
    }

    @ParameterizedTest
    @CsvSource({
        "0, 0s", "1, 1ns", "999, 999ns", "1000, 1us", "1500, 1.5us", "250000, 250us", "800000000, 800ms",
        "1000000000, 1s", "1700000001, 1.700000001s", "120000000000, 120s",
        "9223372036854775807, 9223372036.854775807s"
    })
    void shouldWriteTimesThatReadBackTheSame(long ns, String text) {
        assertEquals(text, Units.formatDuration(ns));
        assertEquals(ns, Units.parseDurationNs(text));
    }

    @ParameterizedTest
    @CsvSource({
        "0, 0", "4096, 4096", "12B, 12", "1K, 1024", "1k, 1024", "64M, 67108864", "64MiB, 67108864", "64mib, 67108864",
        "2GiB, 2147483648", "1.5G, 1610612736", "1T, 1099511627776", "9223372036854775807, 9223372036854775807",
        "0.3K, 307"
    })
    void shouldReadSizes(String text, long bytes) {
        assertEquals(bytes, Units.parseBytes(text));
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "M", "-1M", "64 M", "64MB", "64Mi", "1P", "lots", "1.M", "1e6"})
    void shouldRejectWhatIsNotASize(String text) {
        IllegalArgumentException e = assertThrows(IllegalArgumentException.class, () -> Units.parseBytes(text));
        assertEquals("\"" + text + "\" is not a size: expected a number of bytes, or a number and K, M, G or T "
                + "(powers of 1024), such as 64M or 2GiB", e.getMessage());
    }

    @Test
    void shouldRejectSizesThatOverflow() {
        IllegalArgumentException e =
                assertThrows(IllegalArgumentException.class, () -> Units.parseBytes("8388608T"));
        assertEquals("\"8388608T\" is too large a size", e.getMessage());
    }
}
