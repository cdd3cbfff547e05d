// SPDX-License-Identifier: Apache-2.0
package io.backstep.core;

import java.util.List;

/** The places of a halted target where faults can be injected. */
public interface FaultSurface {
    int threadCount();

    /** Names of registers, the instruction pointer first. */
    List<String> registers();

    void flipRegister(int thread, String register, long mask);

    /** Names of memory areas: "heap", "stack", "data", "any". */
    List<String> areas();

    /** The pages of an area that have content of their own. */
    void pagesOf(String area, PageRanges into);

    /** Inverts bits of the eight bytes at an address. */
    void flipMemory(long address, long mask);
}
