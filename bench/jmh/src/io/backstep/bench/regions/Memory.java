// SPDX-License-Identifier: Apache-2.0
package io.backstep.bench.regions;

import io.backstep.Backstep;
import io.backstep.bench.jmh.Baselines;
import io.backstep.core.Pages;
import io.backstep.target.region.Region;
import org.agrona.UnsafeApi;

/** Regions of which every page was written. Their memory goes with the fork. */
final class Memory {
    static final int MIB = 1 << 20;

    private Memory() {
    }

    static Region ofSmallPages(long mib) {
        return populated(Region.map("bench", mib * MIB));
    }

    /** Populated before anything is tracked: pages that are tracked already do not become huge. */
    static Region ofHugePages(long mib) {
        long address = Baselines.check(Baselines.baseline_map_huge(mib * MIB));
        return populated(Region.wrap("bench", address, mib * MIB));
    }

    private static Region populated(Region region) {
        long end = region.address() + region.lengthBytes();
        for (long page = region.address(); page < end; page += Pages.PAGE_SIZE) {
            UnsafeApi.putLong(page, page);
        }
        return region;
    }

    /** Protected, with checkpoints when the application asks for them, and settled. */
    static Backstep protect(Region region) {
        Backstep backstep = Backstep.launch(new Backstep.Context().region(region).intervalNs(Long.MAX_VALUE / 4));
        for (int i = 0; i < Backstep.Context.KEEP_DEFAULT; i++) {
            backstep.checkpoint();
        }
        return backstep;
    }
}
