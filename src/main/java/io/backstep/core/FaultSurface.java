// SPDX-License-Identifier: Apache-2.0
package io.backstep.core;

import java.util.List;

import io.backstep.core.BackstepException.Reason;

/**
 * The places of a halted target where faults can be injected. What a target has not, or not now, is a {@link
 * BackstepException} FAILED, and nothing was touched.
 */
public interface FaultSurface {
    int threadCount();

    /** What a thread is called: "thread", "vCPU". */
    default String threadKind() {
        return "thread";
    }

    /** Names of registers, the instruction pointer first. */
    List<String> registers();

    void flipRegister(int thread, String register, long mask);

    /** Names of memory areas: "heap", "stack", "data", "any". */
    List<String> areas();

    /** The pages of an area that have content of their own. */
    void pagesOf(String area, PageRanges into);

    /** Names of the address spaces in which memory can be named by its address: "phys", "virt". */
    default List<String> addressSpaces() {
        return List.of();
    }

    /** The address by which {@link #flipMemory} knows the eight aligned bytes that an address of a space lies in. */
    default long addressOf(String space, long address) {
        throw new BackstepException(Reason.FAILED, "the target has no addresses named " + space);
    }

    /** Inverts bits of the eight bytes at an address. */
    void flipMemory(long address, long mask);

    /** An address of {@link #flipMemory}, for people. */
    default String where(long address) {
        return "0x" + Long.toHexString(address);
    }

    /** Has a thread take a machine check that says that the memory at an address is lost. */
    default void machineCheck(int thread, long address) {
        throw new BackstepException(Reason.FAILED, "the target takes no machine checks");
    }
}
