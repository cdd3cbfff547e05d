// SPDX-License-Identifier: Apache-2.0
package io.backstep.target.vm;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.function.LongSupplier;

import io.backstep.core.Discipline;
import io.backstep.core.Target;
import io.backstep.target.Descriptors;
import io.backstep.target.TargetContractTest;
import io.backstep.vm.GuestSetup;
import io.backstep.vm.GuestVm;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.io.TempDir;

/** The contract for a virtual machine whose memory is private to QEMU. */
class VmContractIT extends TargetContractTest {
    private static final int MIB = 96; // little, since each test compares all of it again and again

    @TempDir
    private Path exchange;
    private GuestVm guest;
    private VmTarget vm;
    private SortedMap<Long, byte[]> lastImage = new TreeMap<>();

    GuestSetup setup() {
        return GuestVm.setup().machine("microvm").memoryMib(MIB).noDisk().victim("compute", 5, 1_000_000, 1, 100);
    }

    Discipline discipline() {
        return Discipline.COPY;
    }

    @Override
    protected Target open() {
        guest = setup().start();
        guest.awaitLine("step 100 .*");
        vm = VmTarget.attach(guest.qmpSocket(), new VmOptions(0, exchange, VmOptions.DETECTORS_DEFAULT, false,
                VmOptions.HANG_AFTER_NS_DEFAULT, null, true), discipline(), socket -> null);
        vm.start();
        return vm;
    }

    @AfterEach
    void endGuest() {
        if (guest != null) {
            guest.close();
        }
    }

    /** What has not changed since the last image is in memory once. */
    @Override
    protected SortedMap<Long, byte[]> image() {
        SortedMap<Long, byte[]> before = lastImage;
        lastImage = GuestImage.of(guest.pid(), vm.layout().blocks());
        lastImage.replaceAll((page, bytes) -> Arrays.equals(bytes, before.get(page)) ? before.get(page) : bytes);
        return lastImage;
    }

    @Override
    protected SortedMap<Long, byte[]> ownPages() {
        return image();
    }

    @Override
    protected boolean isStanding() {
        return !guest.qmp("{\"execute\": \"query-status\"}").text("return.status").equals("running");
    }

    @Override
    protected LongSupplier clock() {
        return System::nanoTime;
    }

    @Override
    protected void assertEndsWellAlone() {
        int lines = guest.console().size();
        guest.awaitLine("step \\d+ .*");
        guest.awaitLine("step \\d+ .*");
        assertEquals(List.of(), guest.console().stream().skip(lines).filter(line -> line.startsWith("inconsistent")).toList());
    }

    @Override
    protected void assertNothingIsLeft() {
        List<String> left = new ArrayList<>(Descriptors.open().stream().filter(path -> path.startsWith("/proc/" + guest.pid())
                || path.contains("userfaultfd") || path.contains("backstep-standby")).toList());
        try (DirectoryStream<Path> exchanged = Files.newDirectoryStream(exchange)) {
            exchanged.forEach(path -> left.add(path.toString()));
        } catch (IOException e) {
            throw new IllegalStateException(e);
        }
        assertEquals(List.of(), left);
    }
}
