// SPDX-License-Identifier: Apache-2.0
package io.backstep.vm;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;

import org.junit.jupiter.api.Assumptions;

/**
 * A guest that a test is about to start: a q35 machine with a processor, 256 MiB of private memory, an empty ext4 disk, a network
 * that leads nowhere, pvpanic, and no victim, unless said otherwise. A panic pauses it.
 */
public final class GuestSetup {
    /** Where {@code make guest} puts the guest. */
    static final Path GUEST = Path.of(System.getProperty("backstep.guest", "target/guest")).toAbsolutePath();

    private static final String QEMU = "qemu-system-x86_64";

    private String machine = "q35";
    private Accelerator accelerator = Accelerator.chosen();
    private int memoryMib = 256;
    private boolean isShared;
    private int cpus = 1;
    private boolean hasDisk = true;
    private String disk;
    private String diskFormat = "raw";
    private String netdev = "user";
    private boolean hasPvpanic = true;
    private boolean hasWatchdog;
    private String panicAction = "pause";
    private boolean hasOwnMounts;
    private String victim = "idle";
    private final List<String> options = new ArrayList<>();

    GuestSetup() {
    }

    /** {@code pc}, {@code q35} or {@code microvm}. */
    public GuestSetup machine(String name) {
        machine = name;
        return this;
    }

    GuestSetup accelerator(Accelerator which) {
        accelerator = which;
        return this;
    }

    /** The size of the guest's memory. */
    public GuestSetup memoryMib(int mib) {
        memoryMib = mib;
        return this;
    }

    /** The guest's memory is a shared memfd. */
    public GuestSetup sharedMemory() {
        isShared = true;
        return this;
    }

    /** The number of virtual processors. */
    public GuestSetup cpus(int number) {
        cpus = number;
        return this;
    }

    /** Instead of a copy of the empty disk: a file's path, or another block device as QEMU names it, such as {@code nbd:unix:SOCKET}. */
    public GuestSetup disk(String file, String format) {
        disk = file;
        diskFormat = format;
        return this;
    }

    /** No disk: victims that can, do without. */
    public GuestSetup noDisk() {
        hasDisk = false;
        return this;
    }

    /** What the network card is connected to, in the words of QEMU's {@code -netdev}, without the id, which is {@code net0}. */
    public GuestSetup netdev(String words) {
        netdev = words;
        return this;
    }

    /** No device that tells QEMU of a panic. */
    public GuestSetup noPvpanic() {
        hasPvpanic = false;
        return this;
    }

    /** With a watchdog that runs out 4 s after the guest's last heartbeat; QEMU then tells so, and does nothing. Not for microvm. */
    public GuestSetup watchdog() {
        hasWatchdog = true;
        return this;
    }

    /** What QEMU does when the guest panics: {@code pause}, {@code shutdown}, {@code none}. */
    public GuestSetup panicAction(String action) {
        panicAction = action;
        return this;
    }

    /** QEMU has a mount namespace of its own, as in a container. */
    public GuestSetup ownMounts() {
        hasOwnMounts = true;
        return this;
    }

    /** The victim that runs as soon as the guest is up, and its arguments. */
    public GuestSetup victim(String name, Object... arguments) {
        StringBuilder words = new StringBuilder(name);
        for (Object argument : arguments) {
            words.append(' ').append(argument);
        }
        victim = words.toString();
        return this;
    }

    /** More words for QEMU's command line. */
    public GuestSetup option(String... words) {
        options.addAll(List.of(words));
        return this;
    }

    /** Starts it; skips the test if that cannot be done here, and says why. */
    public GuestVm start() {
        Assumptions.assumeTrue(isQemuThere(), () -> QEMU + " is not there: make guest installs it");
        Assumptions.assumeTrue(Files.exists(GUEST.resolve("disk.img")), () -> "no guest in " + GUEST + ": make guest");
        String whyNot = accelerator.whyNot();
        Assumptions.assumeTrue(whyNot.isEmpty(), whyNot);
        return startTrial();
    }

    private static boolean isQemuThere() {
        return Stream.of(System.getenv("PATH").split(":")).anyMatch(path -> Files.isExecutable(Path.of(path, QEMU)));
    }

    /** Starts it with an accelerator that may fail. */
    GuestVm startTrial() {
        return new GuestVm(this);
    }

    /** The command, given the directory for the guest's files and the ports that it connects to. */
    List<String> command(Path directory, LinePort monitor, LinePort console, LinePort control, LinePort beats) {
        boolean isMicrovm = machine.equals("microvm");
        String bus = isMicrovm ? "device" : "pci";
        List<String> words = new ArrayList<>(hasOwnMounts ? List.of("unshare", "--mount") : List.of());
        words.addAll(List.of(QEMU, "-nodefaults", "-no-user-config", "-display", "none"));
        // A microvm's devices are found by ACPI, so its command line is left alone.
        String machineOption = machine + (isMicrovm ? ",auto-kernel-cmdline=off" : "");
        if (isShared) {
            add(words, "-object", "memory-backend-memfd,id=ram0,size=" + memoryMib + "M,share=on");
            machineOption += ",memory-backend=ram0";
        }
        add(words, "-machine", machineOption, "-accel", accelerator.option(), "-cpu", accelerator.cpu());
        add(words, "-m", memoryMib + "M", "-smp", Integer.toString(cpus));
        add(words, "-kernel", GUEST.resolve("vmlinuz").toString(), "-initrd", GUEST.resolve("initramfs").toString());
        add(words, "-append", "console=ttyS0 quiet panic=0 nowatchdog mitigations=off iomem=relaxed"
                + (isMicrovm ? tscFrequency() : "") + (hasWatchdog ? " watchdog" : "") + " victim=" + victim);
        if (hasDisk) {
            add(words, "-drive", "if=none,id=disk0,format=" + diskFormat + ",file=" + (disk != null ? disk : emptyDisk(directory)));
            add(words, "-device", "virtio-blk-" + bus + ",drive=disk0");
        }
        add(words, "-netdev", netdev + ",id=net0", "-device", "virtio-net-" + bus + ",netdev=net0");
        add(words, "-device", "virtio-serial-" + bus);
        port(words, control, "org.backstep.ctl.0");
        port(words, beats, "org.backstep.heartbeat.0");
        add(words, "-chardev", chardev("console", console), "-serial", "chardev:console");
        add(words, "-chardev", chardev("monitor", monitor), "-mon", "chardev=monitor,mode=control");
        add(words, "-qmp", "unix:" + directory.resolve(GuestVm.QMP) + ",server=on,wait=off");
        add(words, "-action", "panic=" + panicAction);
        if (hasPvpanic) {
            add(words, "-device", "pvpanic");
        }
        if (hasWatchdog) {
            add(words, "-device", "ib700", "-action", "watchdog=none");
        }
        words.addAll(options);
        return words;
    }

    /** A microvm has no clock to measure the processor's against but the PIT, which on a busy host fails, and hangs the kernel. */
    private static String tscFrequency() {
        try (Stream<String> lines = Files.lines(Path.of("/proc/cpuinfo"))) {
            return lines.filter(line -> line.startsWith("cpu MHz")).findFirst()
                    .map(line -> " tsc_early_khz=" + (long) (1000 * Double.parseDouble(line.substring(line.indexOf(':') + 1)))).orElse("");
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static void port(List<String> words, LinePort port, String name) {
        String id = name.replace('.', '-');
        add(words, "-chardev", chardev(id, port), "-device", "virtserialport,chardev=" + id + ",name=" + name);
    }

    private static String chardev(String id, LinePort port) {
        return "socket,id=" + id + ",server=off,path=" + port.socket();
    }

    private static Path emptyDisk(Path directory) {
        try {
            return Files.copy(GUEST.resolve("disk.img"), directory.resolve("disk.img"));
        } catch (IOException e) {
            throw new UncheckedIOException("copy the disk", e);
        }
    }

    private static void add(List<String> words, String... more) {
        words.addAll(List.of(more));
    }
}
