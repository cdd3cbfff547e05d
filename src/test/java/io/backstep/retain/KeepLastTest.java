// SPDX-License-Identifier: Apache-2.0
package io.backstep.retain;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.List;

import io.backstep.core.Checkpoint;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class KeepLastTest {
    private static final Checkpoint A = new Checkpoint(2, -10, null);
    private static final Checkpoint B = new Checkpoint(3, 0, null);
    private static final Checkpoint C = new Checkpoint(7, 10, null);
    private static final List<Checkpoint> ALL = List.of(A, B, C);

    @ParameterizedTest
    @ValueSource(ints = {0, -1})
    void shouldKeepAtLeastOne(int count) {
        assertThrows(IllegalArgumentException.class, () -> new KeepLast(count));
    }

    @Test
    void shouldDropTheOldestOfTooMany() {
        assertEquals(A, new KeepLast(2).excess(ALL));
        assertEquals(A, new KeepLast(1).excess(ALL));
    }

    @Test
    void shouldDropNoneOfNotTooMany() {
        assertNull(new KeepLast(3).excess(ALL));
        assertNull(new KeepLast(4).excess(ALL));
        assertNull(new KeepLast(1).excess(List.of()));
    }

    @Test
    void shouldTryTheNewestFirst() {
        assertEquals(C, new KeepLast(3).first(ALL, 100, Retention.UNKNOWN_NS, 0));
        assertNull(new KeepLast(3).first(List.of(), 100, Retention.UNKNOWN_NS, 0));
    }

    @Test
    void shouldReachBackOneIntervalForEach() {
        assertEquals(150, new KeepLast(3).longestNs(50));
        assertEquals(Long.MAX_VALUE, new KeepLast(Integer.MAX_VALUE).longestNs(1L << 40));
    }
}
