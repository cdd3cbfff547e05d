// SPDX-License-Identifier: Apache-2.0
package io.backstep.core;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.agrona.UnsafeApi;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class LongVectorTest {
    private final LongVector vector = new LongVector();

    @AfterEach
    void close() {
        vector.close();
    }

    @Test
    void shouldTakeNoMemoryBeforeTheFirstElement() {
        assertTrue(vector.isEmpty());
        assertEquals(0, vector.sizeBytes());
        assertEquals(0, vector.address());
    }

    @Test
    void shouldKeepElementsWhenItGrows() {
        addUpTo(10_000);

        assertEquals(10_000, vector.size());
        for (long i = 0; i < 10_000; i++) {
            assertEquals(i, vector.get(i));
            assertEquals(i, UnsafeApi.getLong(vector.address() + i * Long.BYTES));
        }
    }

    @Test
    void shouldNotMoveWhileItStaysInTheReservedRoom() {
        vector.reserve(5_000);
        long address = vector.address();
        long bytes = vector.sizeBytes();

        addUpTo(5_000);

        assertEquals(address, vector.address());
        assertEquals(bytes, vector.sizeBytes());
    }

    @Test
    void shouldRemoveTheLastElement() {
        addUpTo(3);

        assertEquals(2, vector.removeLast());
        assertEquals(2, vector.size());
    }

    @Test
    void shouldMoveTheRestUpWhenTheFirstElementsAreRemoved() {
        addUpTo(1_000);

        vector.removeFirst(300);

        assertEquals(700, vector.size());
        for (long i = 0; i < 700; i++) {
            assertEquals(300 + i, vector.get(i));
        }
    }

    @Test
    void shouldRemoveNothingAndEverythingFromTheFront() {
        vector.removeFirst(0);
        addUpTo(5);

        vector.removeFirst(0);
        assertEquals(5, vector.size());

        vector.removeFirst(5);
        assertTrue(vector.isEmpty());
    }

    @Test
    void shouldReplaceItsContentByLongsAtAnAddress() {
        addUpTo(10);
        try (LongVector other = new LongVector()) {
            other.copyFrom(vector.address() + 2 * Long.BYTES, 3);

            assertEquals(3, other.size());
            assertEquals(2, other.get(0));
            assertEquals(4, other.get(2));

            other.copyFrom(0, 0);
            assertTrue(other.isEmpty());
        }
    }

    @Test
    void shouldSetAndTruncate() {
        addUpTo(4);
        vector.set(1, -7);

        vector.truncate(2);

        assertEquals(2, vector.size());
        assertEquals(-7, vector.get(1));
    }

    @Test
    void shouldBeUsableAfterAClose() {
        addUpTo(600);

        vector.close();
        vector.close();
        addUpTo(1);

        assertEquals(1, vector.size());
        assertEquals(0, vector.get(0));
    }

    private void addUpTo(long count) {
        for (long i = 0; i < count; i++) {
            vector.add(i);
        }
    }
}
