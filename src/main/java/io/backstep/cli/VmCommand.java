// SPDX-License-Identifier: Apache-2.0
package io.backstep.cli;

import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.TimeUnit;

import io.backstep.Backstep;
import io.backstep.core.Units;
import io.backstep.inject.FaultPlaces;
import io.backstep.target.vm.Detector;
import io.backstep.target.vm.VmFaults;
import io.backstep.target.vm.VmOptions;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code backstep vm}: protects the virtual machine of a running QEMU. */
@Command(
        name = "vm",
        description =
                "Protects the virtual machine of a running QEMU, with nothing inside the guest. An interrupt, 'backstep "
                + "ctl PID detach' or the end of --duration lets it go; it runs on untouched.",
        mixinStandardHelpOptions = true, sortOptions = false,
        footer = {"", "The exit status is 0, or one of: " + ExitStatus.SUMMARY})
final class VmCommand implements Callable<Integer> {
    private static final long LONGEST_HELD_NS = TimeUnit.MINUTES.toNanos(30);

    @Mixin
    private ProtectionOptions options;

    @Option(names = "--qmp", paramLabel = "SOCKET", required = true,
            description = "The Unix socket of a QMP monitor of QEMU that nobody else uses.")
    private Path socket;

    @Option(names = "--pid", paramLabel = "PID", defaultValue = "0",
            description = "The process of QEMU (default: the one that listens at --qmp).")
    private int pid;

    @Option(names = "--exchange", paramLabel = "DIRECTORY", defaultValue = "/dev/shm",
            description = "A directory in memory that QEMU can reach by the same name (default: ${DEFAULT-VALUE}).")
    private Path exchange;

    @Option(names = "--unserved-disks", paramLabel = "refuse|warn", defaultValue = "refuse",
            description =
                    "What to do about disks that the guest can write to and a rollback does not take back (default: "
                    + "${DEFAULT-VALUE}).")
    private Unserved unserved;

    @Option(names = "--detect", paramLabel = "NAME", split = ",", converter = OptionValues.MachineDetector.class,
            description =
                    "What counts as an error, of panic (by a pvpanic device), watchdog (by a watchdog device), disk (an "
                    + "error of a disk), reset (the guest resets the machine, on purpose or by a triple fault; -no-reboot "
                    + "is not in force meanwhile) and memory (an error of the host's memory, or a machine check that was "
                    + "injected) (default: panic,watchdog,disk,memory).")
    private List<Detector> detectors = List.of();

    @Option(names = "--heartbeat", paramLabel = "SOCKET",
            description =
                    "The Unix socket of a port, such as a virtio-serial port, that the guest writes to as long as it is "
                    + "well; when nothing comes for --hang-after, that is an error, but not before something came.")
    private Path heartbeat;

    @Option(names = "--hang-after", paramLabel = "TIME", defaultValue = "2s", converter = OptionValues.Duration.class,
            description =
                    "With --heartbeat: for how long no heartbeat comes when the guest hangs (default: ${DEFAULT-VALUE}). "
                    + "Checkpoints must be kept for longer.")
    private long hangAfterNs;

    @Option(names = "--network", paramLabel = "hold|pass", defaultValue = "hold",
            description =
                    "hold: what the guest sends waits until no kept checkpoint can take it back, up to twice as long as "
                    + "checkpoints are kept, so that nobody sees what is undone; pass: it goes out at once, and after a "
                    + "rollback again (default: ${DEFAULT-VALUE}).")
    private NetworkMode network;

    /** What becomes of what the guest sends. */
    enum NetworkMode { hold, pass }

    /** What to do about disks that are not served by backstep. */
    enum Unserved { refuse, warn }

    @Override
    public Integer call() {
        if (options.catchesSignals()) {
            throw new IllegalArgumentException("--catch names signals of a process; what counts as an error of a machine "
                    + "says --detect");
        }
        Set<Detector> on = detectors.isEmpty() ? VmOptions.DETECTORS_DEFAULT : Set.copyOf(detectors);
        requireHistory();
        VmOptions machine =
                new VmOptions(pid, exchange, on, unserved == Unserved.warn, hangAfterNs, heartbeat,
                        network == NetworkMode.hold);
        options.faultPlaces(new FaultPlaces(VmFaults.REGISTERS, VmFaults.AREAS, VmFaults.ADDRESS_SPACES, true));
        Protection protection = new Protection(options, Protection.Origin.FOUND);
        if (network == NetworkMode.hold) {
            requireShortHistory();
            protection.holdsNetwork();
        }
        return protection.run(new Backstep.Context().machine(socket, machine));
    }

    /** Nobody notices a hang before that time, when all that is kept would hang as well. */
    private void requireHistory() {
        long longestNs = options.retention().longestNs(options.intervalNs());
        if (heartbeat != null && longestNs <= hangAfterNs) {
            throw new IllegalArgumentException("a hang is noticed after --hang-after " + Units.formatDuration(hangAfterNs)
                    + ", but checkpoints are kept for " + Units.formatDuration(longestNs)
                    + " only: --keep a longer TIME, or say --error-latency");
        }
    }

    /** QEMU lets go of what it holds after 71 minutes, whatever we say. */
    private void requireShortHistory() {
        long longestNs = options.retention().longestNs(options.intervalNs());
        if (longestNs > LONGEST_HELD_NS) {
            throw new IllegalArgumentException("what the guest sends can be held for as long as checkpoints are kept if "
                    + "that is " + Units.formatDuration(LONGEST_HELD_NS) + " at most, not "
                    + Units.formatDuration(longestNs) + ": keep fewer, or say --network pass");
        }
    }
}
