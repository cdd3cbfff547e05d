// SPDX-License-Identifier: Apache-2.0
package io.backstep.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.backstep.retain.KeepCoverage;
import io.backstep.retain.KeepLast;
import io.backstep.retain.KeepSpan;
import io.backstep.retain.Retention;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import picocli.CommandLine;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.TypeConversionException;

class RetentionOptionsTest {
    @CommandLine.Command
    private static final class Any {
        @CommandLine.Mixin
        private ProtectionOptions options;
    }

    private static Retention retention(String... arguments) {
        Any command = new Any();
        new CommandLine(command).parseArgs(arguments);
        return command.options.retention();
    }

    @Test
    void shouldKeepThreeUnlessAsked() {
        assertEquals(new KeepLast(3), retention());
    }

    @Test
    void shouldKeepANumberOrAHistory() {
        assertEquals(new KeepLast(7), retention("--keep", "7"));
        assertEquals(new KeepSpan(2_000_000_000L), retention("--keep", "2s"));
    }

    @Test
    void shouldKeepWhatCoversAnErrorLatency() {
        KeepCoverage usual = assertInstanceOf(KeepCoverage.class, retention("--error-latency", "exp:mean=20ms"));
        KeepCoverage asked = assertInstanceOf(KeepCoverage.class,
                retention("--error-latency", "exp:mean=20ms", "--coverage", "0.9"));

        assertEquals(0.99, usual.coverage());
        assertEquals(0.9, asked.coverage());
        assertTrue(usual.spanNs() > asked.spanNs());
        assertEquals(5, assertInstanceOf(KeepCoverage.class,
                retention("--error-latency", "exp:mean=20ms", "--keep", "5")).depth());
    }

    @Test
    void shouldSayWhichOptionsContradictEachOther() {
        assertEquals("--coverage 0.9 needs --error-latency", assertThrows(
                IllegalArgumentException.class, () -> retention("--coverage", "0.9")).getMessage());
        assertEquals("--learn needs --error-latency, to begin with", assertThrows(
                IllegalArgumentException.class, () -> retention("--learn")).getMessage());
        assertEquals("how long the history must be follows from --error-latency exp:mean=20ms, so --keep can only be a "
                + "number beside it", assertThrows(IllegalArgumentException.class,
                () -> retention("--keep", "3s", "--error-latency", "exp:mean=20ms")).getMessage());
    }

    @ParameterizedTest
    @CsvSource({"50ms, 50, 0", "auto:2%, 50, 0.02", "auto:0.5%, 50, 0.005", "auto:50%, 50, 0.5", "1s, 1000, 0"})
    void shouldReadAnInterval(String text, long ms, double overhead) {
        assertEquals(new OptionValues.Interval(ms * 1_000_000, overhead),
                new OptionValues.IntervalText().convert(text));
    }

    @ParameterizedTest
    @ValueSource(strings = {"auto", "auto:", "auto:2", "auto:%", "auto:-1%", "auto:0%", "auto:51%", "auto:1e9%",
        "auto:2%%", "auto:99999999999999999999%", "automatic"})
    void shouldRefuseAnIntervalThatCannotBe(String text) {
        String message = assertThrows(TypeConversionException.class,
                () -> new OptionValues.IntervalText().convert(text)).getMessage();

        assertTrue(message.startsWith("\"" + text + "\" is not an interval"), message);
    }

    @Test
    void shouldSayWhatIsNoLatency() {
        String message =
                assertThrows(ParameterException.class, () -> retention("--error-latency", "20ms")).getMessage();

        assertTrue(message.contains("--error-latency") && message.contains("expected exp:mean=TIME"), message);
    }

    @Test
    void shouldRefuseCoverageThatCannotBe() {
        assertThrows(IllegalArgumentException.class,
                () -> retention("--error-latency", "exp:mean=20ms", "--coverage", "1"));
    }
}
