// SPDX-License-Identifier: Apache-2.0
package io.backstep.inject;

import io.backstep.core.FaultSurface;
import io.backstep.core.PageRanges;
import java.util.ArrayList;
import java.util.List;

/** A surface with three threads and two ranges of heap, and no pages of data. It notes what is done to it. */
final class RecordingSurface implements FaultSurface {
    record Flip(int thread, String register, long address, long mask) {
    }

    static final long VIRTUAL = 0xffff_0000_0000_0000L;

    boolean inSpaces;
    final List<Flip> flips = new ArrayList<>();
    List<String> registers = List.of("rip", "rsp", "rax", "rbx");
    int threads = 3;

    @Override
    public int threadCount() {
        return threads;
    }

    @Override
    public List<String> registers() {
        return registers;
    }

    @Override
    public void flipRegister(int thread, String register, long mask) {
        flips.add(new Flip(thread, register, 0, mask));
    }

    @Override
    public List<String> areas() {
        return List.of("heap", "stack", "data", "any");
    }

    @Override
    public void pagesOf(String area, PageRanges into) {
        switch (area) {
            case "heap" -> {
                into.add(0x100, 0x102);
                into.add(0x200, 0x203);
            }
            case "stack" -> into.add(0x7fffff, 0x800000);
            case "any" -> {
                into.add(0x100, 0x102);
                into.add(0x200, 0x203);
                into.add(0x7fffff, 0x800000);
            }
            default -> {
            }
        }
    }

    @Override
    public List<String> addressSpaces() {
        return List.of("phys", "virt");
    }

    @Override
    public long addressOf(String space, long address) {
        return (space.equals("virt") ? address - VIRTUAL : address) & -Long.BYTES;
    }

    @Override
    public String where(long address) {
        return (inSpaces ? "phys=" : "") + "0x" + Long.toHexString(address);
    }

    @Override
    public void machineCheck(int thread, long address) {
        flips.add(new Flip(thread, null, address, 0));
    }

    @Override
    public void flipMemory(long address, long mask) {
        flips.add(new Flip(-1, null, address, mask));
    }
}
