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
    private static final long NO_LIMIT = Long.MAX_VALUE;

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
    void shouldFindTheNewestBelowALimit() {
        KeepLast keep = new KeepLast(3);
        assertEquals(C, keep.newestBelow(ALL, NO_LIMIT, 100));
        assertEquals(B, keep.newestBelow(ALL, 7, 100));
        assertEquals(A, keep.newestBelow(ALL, 3, 100));
        assertNull(keep.newestBelow(ALL, 2, 100));
        assertNull(keep.newestBelow(List.of(), NO_LIMIT, 100));
    }

    @Test
    void shouldFindNoneThatWasTakenAfterTheError() {
        KeepLast keep = new KeepLast(3);
        assertEquals(C, keep.newestBelow(ALL, NO_LIMIT, 10));
        assertEquals(B, keep.newestBelow(ALL, NO_LIMIT, 9));
        assertEquals(A, keep.newestBelow(ALL, NO_LIMIT, -1));
        assertNull(keep.newestBelow(ALL, NO_LIMIT, -11));
    }
}
