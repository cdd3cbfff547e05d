// SPDX-License-Identifier: Apache-2.0
package io.backstep.store;

import static io.backstep.core.Pages.PAGE_SIZE;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.zip.CRC32C;
import org.agrona.UnsafeApi;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class FrameReaderTest {
    private final FrameReader reader = new FrameReader();
    private final long memory = UnsafeApi.allocateMemory(2 * PAGE_SIZE);
    private final long one = memory;
    private final long other = memory + PAGE_SIZE;

    @AfterEach
    void free() {
        UnsafeApi.freeMemory(memory);
    }

    @Test
    void shouldSeeADifferenceAtEachByte() {
        Content.fill(one, 3, 1);
        Content.fill(other, 3, 1);
        assertTrue(reader.isSame(one, other));

        for (long at = 0; at < PAGE_SIZE; at++) {
            byte before = UnsafeApi.getByte(other + at);
            UnsafeApi.putByte(other + at, (byte) (before ^ 0x80));
            assertFalse(reader.isSame(one, other), "byte " + at);
            UnsafeApi.putByte(other + at, before);
        }
        assertTrue(reader.isSame(one, other));
    }

    @Test
    void shouldSumUpTheContentOfAFrame() {
        Content.fill(one, 5, 1);
        Content.fill(other, 6, 1);
        byte[] bytes = new byte[PAGE_SIZE];
        for (int i = 0; i < PAGE_SIZE; i++) {
            bytes[i] = UnsafeApi.getByte(one + i);
        }
        CRC32C expected = new CRC32C();
        expected.update(bytes);

        reader.isSame(one, other);

        assertEquals((int) expected.getValue(), reader.checksum(one));
    }
}
