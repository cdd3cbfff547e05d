// SPDX-License-Identifier: Apache-2.0
package io.backstep.bench.vm;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;

import io.backstep.bench.Table;

/**
 * A machine as QEMU is asked for it: with QEMU's default devices, pvpanic and an ext4 disk that backstep serves.
 *
 * @param type {@code q35}, {@code pc} or {@code microvm}
 * @param isShared whether its memory is a shared memfd
 * @param store a qcow2 image for QEMU's own snapshots, or null
 * @param more words for QEMU
 */
record Machine(String type, int memoryMib, boolean isShared, Path store, List<String> more) {
    Machine(String type, int memoryMib, boolean isShared) {
        this(type, memoryMib, isShared, null, List.of());
    }

    String name() {
        return type + " " + memoryMib + " MiB " + (isShared ? "shared" : "private");
    }

    /**
     * QEMU's command line.
     *
     * @param images where the guest's kernel, file systems and victims are
     * @param directory for the disk and the sockets
     */
    List<String> command(String qemu, Path images, Path directory) {
        boolean isMicrovm = type.equals("microvm");
        String bus = isMicrovm ? "device" : "pci";
        List<String> words = new ArrayList<>(List.of(qemu, "-no-user-config", "-display", "none"));
        String machine = type + (isMicrovm ? ",auto-kernel-cmdline=off" : "");
        if (isShared) {
            add(words, "-object", "memory-backend-memfd,id=ram0,size=" + memoryMib + "M,share=on");
            machine += ",memory-backend=ram0";
        }
        add(words, "-machine", machine, "-accel", "tcg", "-cpu", "max", "-m", memoryMib + "M", "-smp", "1");
        add(words, "-kernel", images.resolve("vmlinuz").toString());
        add(words, "-initrd", images.resolve("initramfs").toString());
        add(words, "-append", "console=ttyS0 quiet panic=0 nowatchdog mitigations=off"
                + (isMicrovm ? tscFrequency() : "") + " victim=idle");
        add(words, "-drive", "if=none,id=disk0,format=raw,file=nbd:unix:" + directory.resolve(Guest.DISK));
        add(words, "-device", "virtio-blk-" + bus + ",drive=disk0");
        if (store != null) {
            add(words, "-drive",
                    "if=none,id=store,node-name=store0,format=qcow2,file.driver=file,file.locking=off,file.filename=" + store);
            add(words, "-device", "virtio-blk-" + bus + ",drive=store");
        }
        add(words, "-chardev", "socket,id=console,server=off,path=" + directory.resolve(Guest.CONSOLE));
        add(words, "-serial", "chardev:console");
        add(words, "-qmp", "unix:" + directory.resolve(Guest.MONITOR) + ",server=on,wait=off");
        add(words, "-qmp", "unix:" + directory.resolve(Guest.BACKSTEPS_MONITOR) + ",server=on,wait=off");
        add(words, "-device", "pvpanic", "-action", "panic=pause");
        words.addAll(more);
        return words;
    }

    /** A microvm has nothing to measure the processor's clock against but the PIT, which on a busy host fails. */
    private static String tscFrequency() {
        try (Stream<String> lines = Files.lines(Path.of("/proc/cpuinfo"))) {
            return lines.filter(line -> line.startsWith("cpu MHz")).findFirst()
                    .map(line -> Table.text(" tsc_early_khz=%.0f", 1000 * Double.parseDouble(line.split(":")[1]))).orElse("");
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static void add(List<String> words, String... added) {
        words.addAll(List.of(added));
    }
}
