// SPDX-License-Identifier: Apache-2.0
package io.backstep.target.vm;

import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

import io.backstep.core.BackstepException;
import io.backstep.core.BackstepException.Reason;
import io.backstep.core.FaultSurface;
import io.backstep.core.PageRanges;
import io.backstep.core.Pages;

/**
 * The memory and processors of a machine that stands, as places for faults. Addresses are guest-physical. What is changed
 * is changed by QEMU, so that translated code follows.
 */
public final class VmFaults implements FaultSurface {
    /** Registers of a processor, the instruction pointer first. */
    public static final List<String> REGISTERS = List.of("rip", "rsp", "rbp", "rax", "rbx", "rcx", "rdx", "rsi", "rdi",
            "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15");

    /** Areas of memory; "any" is what a processor can write to: ram and video. */
    public static final List<String> AREAS = List.of(VmFaults.ANY, VmFaults.MAIN, VmFaults.VIDEO);

    /** Spaces in which memory can be named by its address: guest-physical, and as a vCPU sees it. */
    public static final List<String> ADDRESS_SPACES = List.of("phys", VmFaults.VIRTUAL);

    private static final String ANY = "any";
    private static final String MAIN = "ram";
    private static final String VIDEO = "video";
    private static final String VIRTUAL = "virt";
    private static final String WRITABLE_KIND = "ram";
    private static final Pattern TRANSLATED = Pattern.compile("gpa: 0x([0-9a-f]+)");

    private static final String CONTROL_REGISTER = "cr4";
    private static final long CR4_MCE = 1 << 6;
    private static final int MCE_BANK = 1;
    // Valid, uncorrected, enabled, with an address, context corrupt; a memory controller's read error.
    private static final String MCE_STATUS = "0xb60000000000009f";
    private static final int MCG_IN_PROGRESS = 4;

    private final Monitor monitor;
    private final GuestLayout layout;
    private final ExchangeFiles files;
    private final int pid;

    VmFaults(Monitor monitor, GuestLayout layout, ExchangeFiles files, int pid) {
        this.monitor = monitor;
        this.layout = layout;
        this.files = files;
        this.pid = pid;
    }

    @Override
    public int threadCount() {
        return ((List<?>) monitor.execute("query-cpus-fast")).size();
    }

    @Override
    public String threadKind() {
        return "vCPU";
    }

    @Override
    public List<String> registers() {
        return REGISTERS;
    }

    @Override
    public void flipRegister(int thread, String register, long mask) {
        try (Debugger debugger = Debugger.open(monitor, files.debugger())) {
            debugger.flipRegister(thread, register, mask);
        }
    }

    @Override
    public List<String> areas() {
        return AREAS;
    }

    @Override
    public void pagesOf(String area, PageRanges into) {
        into.clear();
        try (PresentPages present = PresentPages.of(pid)) {
            for (GuestLayout.Range range : layout.ranges()) {
                if (range.kind().equals(WRITABLE_KIND) && (area.equals(ANY) || area.equals(areaOf(range)))) {
                    present.add(range.hostAddress(), range.lengthBytes(), range.guestAddress(), into);
                }
            }
        }
    }

    private static String areaOf(GuestLayout.Range range) {
        String name = range.block().name();
        return name.contains("vram") || name.contains("vga") ? VIDEO : MAIN;
    }

    @Override
    public List<String> addressSpaces() {
        return ADDRESS_SPACES;
    }

    @Override
    public long addressOf(String space, long address) {
        long word = address & -Long.BYTES;
        return space.equals(VIRTUAL) ? physicalOf(word) : word;
    }

    /** By the page tables of the first processor that has such an address now. */
    private long physicalOf(long address) {
        int count = threadCount();
        for (int cpu = 0; cpu < count; cpu++) {
            Matcher match = TRANSLATED.matcher(
                    monitor.executeForPeople("gva2gpa 0x" + Long.toHexString(address), cpu).trim());
            if (match.matches()) {
                return Long.parseUnsignedLong(match.group(1), 16);
            }
        }
        throw new BackstepException(Reason.FAILED, "no vCPU has memory at the virtual address 0x"
                + Long.toHexString(address) + " now");
    }

    @Override
    public void flipMemory(long address, long mask) {
        boolean isWritable = layout.ranges().stream().anyMatch(range -> range.kind().equals(WRITABLE_KIND)
                && address >= range.guestAddress() && address + Long.BYTES <= range.guestEnd());
        if (!isWritable) {
            throw new BackstepException(Reason.FAILED, "the machine has no memory at " + where(address)
                    + " that a processor can write to");
        }
        try (Debugger debugger = Debugger.open(monitor, files.debugger())) {
            debugger.flipMemory(address, mask);
        }
    }

    @Override
    public String where(long address) {
        return "phys=0x" + Long.toHexString(address);
    }

    /** A guest that has them switched off would be reset. */
    @Override
    public void machineCheck(int thread, long address) {
        try (Debugger debugger = Debugger.open(monitor, files.debugger())) {
            if ((debugger.register(thread, CONTROL_REGISTER) & CR4_MCE) == 0) {
                throw new BackstepException(Reason.FAILED, "the guest takes no machine checks: vCPU " + thread
                        + " has them switched off (MCE in CR4)");
            }
        }
        String told = monitor.executeForPeople(String.format("mce %d %d %s %d 0x%x 0", thread, MCE_BANK, MCE_STATUS,
                MCG_IN_PROGRESS, Pages.toAddress(Pages.ofAddress(address)))).trim();
        if (!told.isEmpty()) {
            throw new BackstepException(Reason.FAILED, "QEMU gives the guest no machine check: " + told);
        }
    }
}
