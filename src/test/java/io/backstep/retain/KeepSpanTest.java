// SPDX-License-Identifier: Apache-2.0
package io.backstep.retain;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.List;

import io.backstep.core.Checkpoint;
import org.junit.jupiter.api.Test;

class KeepSpanTest {
    private static final Checkpoint A = new Checkpoint(2, 0, null);
    private static final Checkpoint B = new Checkpoint(3, 50, null);
    private static final Checkpoint C = new Checkpoint(7, 100, null);
    private static final Checkpoint D = new Checkpoint(8, 150, null);

    @Test
    void shouldDropTheOldestWhenTheNextReachesBackFarEnough() {
        assertEquals(A, new KeepSpan(100).excess(List.of(A, B, C, D)));
        assertEquals(A, new KeepSpan(99).excess(List.of(A, B, C, D)));
    }

    @Test
    void shouldKeepTheOldestWhileTheNextDoesNotReachBackFarEnough() {
        assertNull(new KeepSpan(101).excess(List.of(A, B, C, D)));
        assertNull(new KeepSpan(100).excess(List.of(B, C, D)));
    }

    @Test
    void shouldNeverDropTheNewest() {
        assertNull(new KeepSpan(1).excess(List.of(A)));
        assertNull(new KeepSpan(1).excess(List.of(A, B)));
    }

    @Test
    void shouldRefuseNoHistory() {
        assertThrows(IllegalArgumentException.class, () -> new KeepSpan(0));
    }
}
