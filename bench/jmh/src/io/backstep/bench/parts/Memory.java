// SPDX-License-Identifier: Apache-2.0
package io.backstep.bench.parts;

import io.backstep.core.LongVector;
import io.backstep.core.Pages;
import io.backstep.sys.NativeRegions;
import org.agrona.UnsafeApi;

/** Pages of this process, all of them written. They go with the fork. */
final class Memory {
    private final long address;

    Memory(long pages) {
        address = NativeRegions.map(pages * Pages.PAGE_SIZE);
        for (long i = 0; i < pages; i++) {
            UnsafeApi.putLong(address + i * Pages.PAGE_SIZE, i + 1);
        }
    }

    /** The addresses of its first pages. */
    LongVector addresses(long count) {
        LongVector addresses = new LongVector();
        for (long i = 0; i < count; i++) {
            addresses.add(address + i * Pages.PAGE_SIZE);
        }
        return addresses;
    }

    /** The addresses of some of its pages, by their index. */
    void addresses(LongVector indices, LongVector into) {
        into.clear();
        for (long i = 0; i < indices.size(); i++) {
            into.add(address + indices.get(i) * Pages.PAGE_SIZE);
        }
    }
}
