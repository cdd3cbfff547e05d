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
import picocli.CommandLine;
import picocli.CommandLine.ParameterException;

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
        assertEquals("how long the history must be follows from --error-latency exp:mean=20ms, so --keep can only be a "
                + "number beside it", assertThrows(IllegalArgumentException.class,
                () -> retention("--keep", "3s", "--error-latency", "exp:mean=20ms")).getMessage());
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
