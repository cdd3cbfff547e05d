// SPDX-License-Identifier: Apache-2.0
package io.backstep.target.vm;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;

import io.backstep.core.BackstepException;
import org.junit.jupiter.api.Test;

class TimeStampCountersTest {
    private static final int REGISTERS = 896;
    private static final byte END = 0x7e;
    private static final byte PART = 5;

    private final ByteBuffer stream = ByteBuffer.allocate(8192);

    private void section(String name, int instance, int version) {
        stream.put((byte) 4).putInt(7).put((byte) name.length()).put(name.getBytes(StandardCharsets.US_ASCII))
                .putInt(instance).putInt(version);
    }

    private int clock(long ticks, byte next) {
        stream.putLong(0x5145564d00000003L);
        section("timer", 0, 2);
        int at = stream.position();
        stream.putLong(ticks).putLong(0).putLong(77).put(next).putInt(7);
        return at;
    }

    private int processor(int instance, long offset) {
        section("cpu_common", instance, 1);
        stream.putInt(0);
        section("cpu", instance, 12);
        int at = stream.position() + REGISTERS;
        stream.position(at).putLong(offset).putLong(99).put(END).putInt(7);
        return at;
    }

    @Test
    void shouldShowTheSameOfEachProcessorWithOtherTicks() {
        clock(1000, END);
        int first = processor(0, 0);
        int second = processor(1, -30);
        ByteBuffer saved = stream.flip().asReadOnlyBuffer();

        ByteBuffer loaded = TimeStampCounters.withTicks(saved, 5000);

        assertEquals(1000, TimeStampCounters.ticks(saved));
        assertEquals(5000, TimeStampCounters.ticks(loaded));
        assertEquals(-4000, loaded.getLong(first));
        assertEquals(-4030, loaded.getLong(second));
    }

    @Test
    void shouldChangeNothingElse() {
        int ticks = clock(1000, END);
        int offset = processor(0, 0);
        ByteBuffer saved = stream.flip().asReadOnlyBuffer();

        ByteBuffer loaded = TimeStampCounters.withTicks(saved, 5000);

        loaded.putLong(offset, 0);
        loaded.putLong(ticks, 1000);
        assertEquals(saved, loaded);
    }

    @Test
    void shouldLeaveCountedInstructionsAlone() {
        clock(1000, PART);
        processor(0, 0);
        ByteBuffer saved = stream.flip();

        assertEquals(saved, TimeStampCounters.withTicks(saved, 5000));
    }

    @Test
    void shouldRefuseAStateWithoutAClock() {
        processor(0, 0);
        ByteBuffer saved = stream.flip();

        assertThrows(BackstepException.class, () -> TimeStampCounters.ticks(saved));
    }
}
