// SPDX-License-Identifier: Apache-2.0
package io.backstep.core;

import static org.junit.jupiter.api.Assertions.assertEquals;

import org.junit.jupiter.api.Test;

class PagesTest {
    @Test
    void shouldGoFromAddressesToPagesAndBack() {
        assertEquals(0, Pages.ofAddress(4095));
        assertEquals(1, Pages.ofAddress(4096));
        assertEquals(0x7fff_ffff_f000L, Pages.toAddress(Pages.ofAddress(0x7fff_ffff_ffffL)));
    }

    @Test
    void shouldTreatAddressesInTheUpperHalfAsUnsigned() {
        assertEquals(0xf_ffff_ffff_ffffL, Pages.ofAddress(-1));
    }

    @Test
    void shouldCountBytesBeyondAnInt() {
        assertEquals(4096L * 10_000_000, Pages.toBytes(10_000_000));
    }
}
