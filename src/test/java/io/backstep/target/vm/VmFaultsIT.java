// SPDX-License-Identifier: Apache-2.0
package io.backstep.target.vm;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.OptionalLong;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

import io.backstep.Backstep;
import io.backstep.core.BackstepException;
import io.backstep.core.Discipline;
import io.backstep.core.Fault;
import io.backstep.core.PageRanges;
import io.backstep.core.Pages;
import io.backstep.engine.DetectionRecord;
import io.backstep.engine.RollbackRecord;
import io.backstep.inject.FaultSpec;
import io.backstep.inject.InjectionPlan;
import io.backstep.vm.GuestVm;
import io.backstep.vm.ProtectedVm;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Faults in a guest: each strikes what it names and nothing else, and rollbacks undo them. */
@Timeout(value = 5, unit = TimeUnit.MINUTES)
class VmFaultsIT {
    private static final Object[] VICTIM = {7, 4000, 4, 500};
    private static final String RESULT = "ed83d45d1a8f21da";
    private static final int VECTOR_NOT_USED = 250;
    private static final VmOptions OPTIONS = VmOptions.DEFAULT;

    private static String ask(GuestVm guest, String line) {
        return guest.qmp("{\"execute\": \"human-monitor-command\", \"arguments\": {\"command-line\": \"" + line + "\"}}")
                .text("return");
    }

    private static long number(String text, String pattern) {
        Matcher match = Pattern.compile(pattern).matcher(text);
        assertTrue(match.find(), () -> "no " + pattern + " in " + text);
        return Long.parseUnsignedLong(match.group(1), 16);
    }

    private static long physicalWord(GuestVm guest, long address) {
        return number(ask(guest, "xp /1gx 0x" + Long.toHexString(address)), ": 0x([0-9a-f]+)");
    }

    @Test
    void shouldStrikeEveryPlaceOfAMachineThatStandsAndNothingElse() throws IOException {
        try (GuestVm guest = GuestVm.setup().cpus(2).noDisk().option("-device", "VGA").start();
                Monitor monitor = Monitor.connect(guest.qmpSocket());
                ExchangeFiles files = ExchangeFiles.open(Path.of("/dev/shm"), guest.pid())) {
            guest.awaitUp();
            monitor.execute("stop");
            VmFaults faults = new VmFaults(monitor, GuestLayout.of(monitor), files, guest.pid());
            while (monitor.pollEvent() != null) {
                continue; // it stands
            }

            assertEquals(2, faults.threadCount());
            for (int cpu = 0; cpu < 2; cpu++) {
                flipAllRegisters(faults, monitor, cpu);
            }
            flipMemory(guest, faults);
            flipVideo(guest, faults);
            refuse(monitor, faults);

            assertEquals(null, monitor.pollEvent(), "it stood all the time");
            assertEquals("paused", ((Map<?, ?>) monitor.execute("query-status")).get("status"));
            assertFalse(Files.exists(files.debugger()));
        }
    }

    private static void flipAllRegisters(VmFaults faults, Monitor monitor, int cpu) {
        for (String register : faults.registers()) {
            for (int bit = 0; bit < Long.SIZE; bit += 5) {
                String before = monitor.executeForPeople("info registers", cpu);
                String other = monitor.executeForPeople("info registers", 1 - cpu);
                faults.flipRegister(cpu, register, 1L << bit);
                String after = monitor.executeForPeople("info registers", cpu);
                assertEquals(value(before, register) ^ 1L << bit, value(after, register), register);
                faults.flipRegister(cpu, register, 1L << bit);
                assertEquals(before, monitor.executeForPeople("info registers", cpu));
                assertEquals(other, monitor.executeForPeople("info registers", 1 - cpu));
            }
        }
    }

    private static long value(String registers, String name) {
        String shown = name.matches("r\\d") ? "R" + name.substring(1) + " "
                : name.toUpperCase(java.util.Locale.ROOT);
        return number(registers, shown + "=([0-9a-f]+)");
    }

    private static void flipMemory(GuestVm guest, VmFaults faults) {
        long address = faults.addressOf("phys", 0x6000123);
        assertEquals(0x6000120, address);
        long before = physicalWord(guest, address);
        faults.flipMemory(address, 1L << 63 | 1);
        assertEquals(before ^ (1L << 63 | 1), physicalWord(guest, address));
        faults.flipMemory(address, 1L << 63 | 1);

        long virtual = number(ask(guest, "info registers"), "IDT= *([0-9a-f]+)") + 16 * VECTOR_NOT_USED;
        long physical = faults.addressOf("virt", virtual);
        assertEquals(number(ask(guest, "gva2gpa 0x" + Long.toHexString(virtual)), "gpa: 0x([0-9a-f]+)"), physical);
    }

    private static void flipVideo(GuestVm guest, VmFaults faults) {
        try (PageRanges any = new PageRanges(); PageRanges ram = new PageRanges(); PageRanges video = new PageRanges()) {
            faults.pagesOf("any", any);
            faults.pagesOf("ram", ram);
            faults.pagesOf("video", video);
            assertEquals(any.pageCount(), ram.pageCount() + video.pageCount());
            assertTrue(ram.pageCount() > 5000 && video.pageCount() > 0, ram.pageCount() + ", " + video.pageCount());
            long address = Pages.toAddress(video.page(0));
            assertFalse(ram.contains(video.page(0)));
            long before = physicalWord(guest, address);
            faults.flipMemory(address, 2);
            assertEquals(before ^ 2, physicalWord(guest, address));
        }
    }

    private static void refuse(Monitor monitor, VmFaults faults) {
        says("the machine has no memory at phys=0xfee00000", () -> faults.flipMemory(0xfee00000L, 1));
        says("the machine has no memory at phys=0xfffffff0", () -> faults.flipMemory(0xfffffff0L, 1));
        says("no vCPU has memory at the virtual address 0x8", () -> faults.addressOf("virt", 15));
        says("the guest takes no machine checks", () -> faults.machineCheck(1, 0x1000000));
        monitor.executeForPeople("gdbserver tcp:127.0.0.1:0");
        says("QEMU's server for gdb is in use", () -> faults.flipRegister(0, "rax", 1));
        monitor.executeForPeople("gdbserver none");
    }

    private static void says(String text, Runnable action) {
        BackstepException e = assertThrows(BackstepException.class, action::run);
        assertEquals(BackstepException.Reason.FAILED, e.reason());
        assertTrue(e.getMessage().contains(text), e.getMessage());
    }

    /** Its guest knows no machine checks; a processor that takes them can still be told of one. */
    @Test
    void shouldTellAGuestOfAMachineCheckWhichIsNoticed() {
        try (GuestVm guest = GuestVm.setup().noDisk().victim("memload", 4, 16).start()) {
            guest.awaitLine("memload .*");
            switchMachineChecksOn(guest);
            try (ProtectedVm vm = ProtectedVm.of(guest, OPTIONS, "mce@300ms,seed=5")) {
                DetectionRecord detection = vm.await(DetectionRecord.class, 1).get(0);

                Fault fault = vm.all(Fault.class).get(0);
                assertEquals("mce", fault.model());
                assertTrue(fault.where().matches("vCPU 0 phys=0x[0-9a-f]+"), fault.where());
                assertEquals("memory", detection.detector());
                vm.await(RollbackRecord.class, 1);
                guest.awaitLine("memload .*");
            }
        }
    }

    private static void switchMachineChecksOn(GuestVm guest) {
        try (Monitor monitor = Monitor.connect(guest.qmpSocket());
                ExchangeFiles files = ExchangeFiles.open(Path.of("/dev/shm"), guest.pid())) {
            monitor.execute("stop");
            try (Debugger debugger = Debugger.open(monitor, files.debugger())) {
                debugger.flipRegister(0, "cr4", 1 << 6);
            }
            monitor.execute("cont");
        }
    }

    /** A word of memory that nobody uses. */
    private static long unusedAddress(GuestVm guest) {
        return number(ask(guest, "info registers"), "IDT= *([0-9a-f]+)") + 16 * VECTOR_NOT_USED + 8;
    }

    @ParameterizedTest
    @EnumSource(Discipline.class)
    void shouldUndoAFaultAtANamedAddress(Discipline discipline) {
        try (GuestVm guest = GuestVm.setup().noDisk().start()) {
            guest.awaitUp();
            long virtual = unusedAddress(guest);
            long physical = number(ask(guest, "gva2gpa 0x" + Long.toHexString(virtual)), "gpa: 0x([0-9a-f]+)");
            long before = physicalWord(guest, physical);
            String fault = "memory:phys=0x" + Long.toHexString(physical) + "@200ms,noticed=60ms,seed=3";

            try (ProtectedVm vm = ProtectedVm.of(new Backstep.Context()
                    .machine(guest.qmpSocket(), OPTIONS.withDetectors(Set.of()))
                    .capture(discipline)
                    .faults(new InjectionPlan(List.of(FaultSpec.parse(fault)))))) {
                vm.await(Fault.class, 1);
                RollbackRecord rollback = vm.await(RollbackRecord.class, 1).get(0);

                assertEquals(RollbackRecord.Outcome.RECOVERED, rollback.outcome());
                assertEquals(before, physicalWord(guest, physical));
            }
        }
    }

    @Test
    void shouldStrikeANamedAddressWhichLaterCheckpointsHave() {
        try (GuestVm guest = GuestVm.setup().noDisk().start()) {
            guest.awaitUp();
            long virtual = unusedAddress(guest);
            long physical = number(ask(guest, "gva2gpa 0x" + Long.toHexString(virtual)), "gpa: 0x([0-9a-f]+)");
            long before = physicalWord(guest, physical);
            String virt = "virt=0x" + Long.toHexString(virtual);

            try (ProtectedVm vm = ProtectedVm.of(guest, OPTIONS, "memory:" + virt + "@200ms,seed=3")) {
                Fault fault = vm.await(Fault.class, 1).get(0);
                assertTrue(fault.where().matches(virt + " phys=0x" + Long.toHexString(physical) + " bit \\d+"),
                        fault.where());
                long bit = Long.parseLong(fault.where().substring(fault.where().lastIndexOf(' ') + 1));
                assertEquals(before ^ 1L << bit, physicalWord(guest, physical));

                vm.engine().requestCheckpoint().join();
                vm.engine().requestRollback(OptionalLong.empty()).join();
                assertEquals(before ^ 1L << bit, physicalWord(guest, physical), "the newest checkpoint has it");
            }
        }
    }

    @Test
    void shouldComeToTheSameResultThroughManyFaults() {
        String[] faults = new String[8];
        long seed = Long.getLong("backstep.seed", System.nanoTime() & 0xffff);
        System.out.println("VmFaultsIT: -Dbackstep.seed=" + seed);
        for (int i = 0; i < faults.length; i++) {
            String place = List.of("register", "memory", "register:rip", "register:rsp").get(i % 4);
            faults[i] = place + "@" + 700 * (i + 1) + "ms,noticed=" + (i % 3 == 0 ? 1 : 60) + "ms,seed=" + (seed + i);
        }
        VmOptions onlyPlan = OPTIONS.withDetectors(Set.of());
        try (GuestVm guest = GuestVm.setup().cpus(2).noDisk().victim("compute", VICTIM).start()) {
            guest.awaitLine("step 500 .*");
            try (ProtectedVm vm = ProtectedVm.of(guest, onlyPlan, faults)) {
                List<RollbackRecord> rollbacks = vm.await(RollbackRecord.class, faults.length);
                assertEquals(faults.length, rollbacks.size());
                assertEquals(RESULT, guest.awaitResult());
            }
        }
    }
}
