// SPDX-License-Identifier: Apache-2.0
package io.backstep.report;

import static org.junit.jupiter.api.Assertions.assertEquals;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class FiguresTest {
    @ParameterizedTest
    @CsvSource({
        "0, 0 us", "0.004, 0 us", "0.456, 0.46 us", "9.876, 9.88 us", "412.159, 412 us", "999.4, 999 us", "999.5, 1 ms",
        "12345, 12.3 ms", "999999, 1 s", "9712412.6, 9.71 s", "59940000, 59.9 s", "60000000, 1 min 0 s",
        "161400000, 2 min 41 s", "3599900000, 1 h 0 min", "9712000000, 2 h 41 min"
    })
    void shouldWriteTimesShort(double us, String text) {
        assertEquals(text, Figures.micros(us));
    }

    @ParameterizedTest
    @CsvSource({
        "0, 0 B", "1023, 1023 B", "1024, 1 KiB", "12288, 12 KiB", "102412288, 97.7 MiB", "1073741824, 1 GiB",
        "9223372036854775807, 8388608 TiB"
    })
    void shouldWriteSizesShort(long bytes, String text) {
        assertEquals(text, Figures.bytes(bytes));
    }

    @Test
    void shouldWriteNumbersShort() {
        assertEquals("0.84", Figures.number(0.8374));
        assertEquals("unknown", Figures.number(Double.NaN));
        assertEquals("0.9%", Figures.percent(0.00899));
        assertEquals("1180", Figures.number(1180.4));
        assertEquals("11.8", Figures.number(11.84));
    }

    @Test
    void shouldKeepCharactersAwayThatMoveTheCursor() {
        assertEquals("a?[2Jb?c é", Figures.printable("a\u001b[2Jb\nc é"));
    }
}
