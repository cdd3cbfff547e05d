// SPDX-License-Identifier: Apache-2.0
package io.backstep.target.region;

import java.util.ArrayList;
import java.util.List;

import io.backstep.core.BackstepException;
import io.backstep.core.BackstepException.Reason;
import io.backstep.core.FaultSurface;
import io.backstep.core.PageRanges;
import io.backstep.core.Pages;
import org.agrona.UnsafeApi;

/** The bytes of regions as places for faults. There are no registers. */
final class RegionFaults implements FaultSurface {
    private final List<Region> ascending;

    RegionFaults(List<Region> ascending) {
        this.ascending = ascending;
    }

    @Override
    public int threadCount() {
        return 0;
    }

    @Override
    public List<String> registers() {
        return List.of();
    }

    @Override
    public void flipRegister(int thread, String register, long mask) {
        throw new BackstepException(Reason.FAILED, "regions have no register '" + register + "'");
    }

    /** "any", and the regions by name. */
    @Override
    public List<String> areas() {
        List<String> areas = new ArrayList<>(List.of("any"));
        ascending.forEach(region -> areas.add(region.name()));
        return areas;
    }

    @Override
    public void pagesOf(String area, PageRanges into) {
        into.clear();
        for (Region region : ascending) {
            if (area.equals("any") || area.equals(region.name())) {
                into.add(Pages.ofAddress(region.address()), Pages.ofAddress(region.address() + region.lengthBytes()));
            }
        }
    }

    @Override
    public void flipMemory(long address, long mask) {
        UnsafeApi.putLong(address, UnsafeApi.getLong(address) ^ mask);
    }
}
