// SPDX-License-Identifier: Apache-2.0
package io.backstep.sys;

import static io.backstep.core.Pages.PAGE_SIZE;

import io.backstep.core.BackstepException;
import io.backstep.core.Discipline;
import io.backstep.core.LongVector;
import io.backstep.core.Pages;

/**
 * What things cost on this host, in nanoseconds.
 *
 * @param faultNs the first write to a protected page
 * @param copyNs the copy of a page
 * @param scanNs each new beginning of a scan
 */
public record HostPrices(double faultNs, double copyNs, double scanNs) {
    private static final int PAGES = 2048;
    private static final int STEP = 641; // from page to page; has no divisor in common with PAGES
    private static final double PS_PER_NS = 1e3;

    /**
     * Tries them on memory of this process, which takes a few milliseconds.
     *
     * @throws BackstepException this host cannot track pages
     */
    public static HostPrices measure() {
        return measure(Discipline.COPY);
    }

    /** As {@link #measure()}, for a discipline. */
    public static HostPrices measure(Discipline discipline) {
        long fault = discipline == Discipline.COW ? LibBackstep.bs_measure_held_write() : LibBackstep.bs_measure_fault();
        return new HostPrices(nanos(fault), copy(), nanos(LibBackstep.bs_measure_scan()));
    }

    private static double nanos(long picoseconds) {
        Codes.check((int) Math.min(0, picoseconds));
        return picoseconds / PS_PER_NS;
    }

    /** As in a capture: pages that lie apart, and too many for a cache, to frames that have been used before. */
    private static double copy() {
        long memory = NativeRegions.map(2L * PAGES * PAGE_SIZE);
        try (LongVector pages = new LongVector(); LongVector frames = new LongVector()) {
            for (long i = 0; i < PAGES; i++) {
                pages.add(Pages.ofAddress(memory) + i * STEP % PAGES);
                frames.add(memory + (PAGES + i) * PAGE_SIZE);
            }
            int self = Math.toIntExact(ProcessHandle.current().pid());
            NativeProcess.measureCopy(self, pages.address(), frames.address(), PAGES, true);
            NativeProcess.measureCopy(self, pages.address(), frames.address(), PAGES, false);
            long nanos = NativeProcess.measureCopy(self, pages.address(), frames.address(), PAGES, false);
            return (double) nanos / PAGES;
        } finally {
            NativeRegions.unmap(memory, 2L * PAGES * PAGE_SIZE);
        }
    }
}
