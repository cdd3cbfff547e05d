// SPDX-License-Identifier: Apache-2.0
package io.backstep.target.vm;

import java.nio.file.Path;
import java.util.EnumSet;
import java.util.Set;

/**
 * How a machine is protected.
 *
 * @param pid of QEMU, or 0: whoever owns the monitor
 * @param exchange a directory in memory that both we and QEMU can reach
 * @param acceptsUnservedDisks whether the machine may have disks whose writes cannot be taken back
 * @param hangAfterNs without a sign of life for how long the machine counts as hung
 * @param heartbeat the Unix socket of a port that the guest writes to as long as it is well, or null
 * @param holdsNetwork whether what the machine sends is held until no checkpoint can take it back
 */
public record VmOptions(int pid, Path exchange, Set<Detector> detectors, boolean acceptsUnservedDisks, long hangAfterNs,
        Path heartbeat, boolean holdsNetwork) {
    /** What counts as an error if nobody says otherwise. */
    public static final Set<Detector> DETECTORS_DEFAULT =
            Set.copyOf(EnumSet.of(Detector.PANIC, Detector.WATCHDOG, Detector.DISK, Detector.MEMORY));

    public static final long HANG_AFTER_NS_DEFAULT = 2_000_000_000L;

    public static final VmOptions DEFAULT =
            new VmOptions(0, Path.of("/dev/shm"), DETECTORS_DEFAULT, false, HANG_AFTER_NS_DEFAULT, null, true);

    /** The same with other detectors. */
    public VmOptions withDetectors(Set<Detector> others) {
        return new VmOptions(pid, exchange, others, acceptsUnservedDisks, hangAfterNs, heartbeat, holdsNetwork);
    }

    /** The same with another notion of a hang. */
    public VmOptions withHeartbeat(Path port, long afterNs) {
        return new VmOptions(pid, exchange, detectors, acceptsUnservedDisks, afterNs, port, holdsNetwork);
    }
}
