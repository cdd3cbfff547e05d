// SPDX-License-Identifier: Apache-2.0
package io.backstep.target.process;

import java.io.IOException;
import java.nio.file.Files;
import java.util.List;

import io.backstep.core.BackstepException;
import io.backstep.core.BackstepException.Reason;
import io.backstep.core.FaultSurface;
import io.backstep.core.PageRanges;
import io.backstep.core.Pages;
import io.backstep.sys.NativeProcess;

/**
 * The registers and memory of a halted process as places for faults. Only pages with content of their own are offered.
 */
final class ProcessFaults implements FaultSurface {
    private static final List<String> AREAS = List.of("any", "heap", "stack", "data");

    private final NativeProcess process;
    private final PageRanges held;

    ProcessFaults(NativeProcess process, PageRanges held) {
        this.process = process;
        this.held = held;
    }

    @Override
    public int threadCount() {
        return process.threadCount();
    }

    @Override
    public List<String> registers() {
        return NativeProcess.registerNames();
    }

    @Override
    public void flipRegister(int thread, String register, long mask) {
        int index = registers().indexOf(register);
        if (index < 0) {
            throw new BackstepException(
                    Reason.FAILED, "no register '" + register + "'; there are " + String.join(", ", registers()));
        }
        process.flipRegister(thread, index, mask);
    }

    @Override
    public List<String> areas() {
        return AREAS;
    }

    @Override
    public void pagesOf(String area, PageRanges into) {
        into.clear();
        for (String line : mappings()) {
            if (isOf(area, line)) {
                int dash = line.indexOf('-');
                long first = Pages.ofAddress(Long.parseUnsignedLong(line, 0, dash, 16));
                long end = Pages.ofAddress(Long.parseUnsignedLong(line, dash + 1, line.indexOf(' '), 16));
                addHeld(first, end, into);
            }
        }
    }

    private void addHeld(long first, long end, PageRanges into) {
        for (long i = 0; i < held.rangeCount(); i++) {
            long from = Math.max(first, held.first(i));
            long to = Math.min(end, held.end(i));
            if (from < to) {
                into.add(from, to);
            }
        }
    }

    private List<String> mappings() {
        try {
            return Files.readAllLines(ProcFiles.of(process.pid()).resolve("maps"));
        } catch (IOException e) {
            throw new BackstepException(Reason.FAILED, "cannot read the mappings of process " + process.pid(), e);
        }
    }

    /** The heap is brk's and what the allocator maps; data is what is mapped from files and may be written. */
    private static boolean isOf(String area, String line) {
        int space = line.indexOf(' ');
        if (line.charAt(space + 2) != 'w' || line.charAt(space + 4) != 'p') {
            return false;
        }
        boolean stack = line.endsWith("[stack]");
        boolean file = line.indexOf('/') >= 0;
        return switch (area) {
            case "heap" -> !stack && !file;
            case "stack" -> stack;
            case "data" -> file;
            default -> true;
        };
    }

    @Override
    public void flipMemory(long address, long mask) {
        process.flipMemory(address, mask);
    }
}
