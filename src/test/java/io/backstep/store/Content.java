// SPDX-License-Identifier: Apache-2.0
package io.backstep.store;

import io.backstep.core.Pages;
import org.agrona.UnsafeApi;

/** Bytes for a test's pages: every page and version has its own, in every word. */
final class Content {
    private Content() {
    }

    static void fill(long address, long page, long version) {
        for (long offset = 0; offset < Pages.PAGE_SIZE; offset += Long.BYTES) {
            UnsafeApi.putLong(address + offset, word(page, version, offset));
        }
    }

    static boolean matches(long address, long page, long version) {
        for (long offset = 0; offset < Pages.PAGE_SIZE; offset += Long.BYTES) {
            if (UnsafeApi.getLong(address + offset) != word(page, version, offset)) {
                return false;
            }
        }
        return true;
    }

    private static long word(long page, long version, long offset) {
        long mixed = (page * 0x9E3779B97F4A7C15L + version) * 0xBF58476D1CE4E5B9L + offset;
        return (mixed ^ (mixed >>> 29)) * 0x94D049BB133111EBL;
    }
}
