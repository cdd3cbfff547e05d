// SPDX-License-Identifier: Apache-2.0
package io.backstep.target.vm;

import java.util.Locale;
import java.util.Set;

import io.backstep.core.TargetEvent;

/** Which of QEMU's events are errors of the machine, and what is told of them. */
final class Detectors {
    private final Set<Detector> on;

    Detectors(Set<Detector> on) {
        this.on = Set.copyOf(on);
    }

    /** Whether QEMU must let the machine go on where it would perhaps end, for this detector to be heard. */
    boolean needResets() {
        return on.contains(Detector.RESET);
    }

    /** Which detector speaks by this event, or null. */
    Detector of(MonitorEvent event) {
        Detector detector = switch (event.name()) {
            case "GUEST_PANICKED" -> Detector.PANIC;
            case "WATCHDOG" -> Detector.WATCHDOG;
            case "RESET" -> Boolean.TRUE.equals(event.data().get("guest")) ? Detector.RESET : null;
            case "BLOCK_IO_ERROR" -> Detector.DISK;
            case "MEMORY_FAILURE" -> Detector.MEMORY;
            default -> null;
        };
        return detector != null && on.contains(detector) ? detector : null;
    }

    /** Tells of an event of a detector. */
    static void tell(Detector detector, MonitorEvent event, TargetEvent into) {
        String what = event.name().toLowerCase(Locale.ROOT).replace('_', '-');
        into.error(detector.key(), what, what + " " + event.data(), event.atNs());
    }
}
