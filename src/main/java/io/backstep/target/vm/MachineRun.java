// SPDX-License-Identifier: Apache-2.0
package io.backstep.target.vm;

import java.util.Map;

import io.backstep.core.TargetEvent;

/**
 * Whether a machine runs or stands, and by whose doing; and the first error that QEMU told of. What a standby process would
 * have to do is noted as that changes. Confined to one thread.
 */
final class MachineRun {
    private static final String RUNNING = "running";

    private final Monitor monitor;
    private final Detectors detectors;
    private final Standby standby;
    private boolean stands; // as far as QEMU has told
    private boolean stoppedByUs;
    private MonitorEvent error;
    private boolean isErrorTold;

    MachineRun(Monitor monitor, Detectors detectors, Standby standby) {
        this.monitor = monitor;
        this.detectors = detectors;
        this.standby = standby;
    }

    /** Asks QEMU. */
    void learn() {
        stands = !RUNNING.equals(((Map<?, ?>) monitor.execute("query-status")).get("status"));
    }

    boolean stands() {
        return stands;
    }

    /** Asks QEMU to stop the machine; other commands may follow before the answer is taken by {@link #endStop}. */
    void beginStop() {
        if (!stands) {
            standby.stands();
        }
        monitor.send("stop", Map.of());
    }

    /** The machine stands. Whether we stopped it is remembered. */
    void endStop() {
        monitor.receive();
        boolean stood = stands;
        takeIn();
        stoppedByUs = !stood && stands;
    }

    /** Lets the machine run if we stopped it. */
    void goOn() {
        if (stoppedByUs) {
            monitor.execute("cont");
            stoppedByUs = false;
            stands = false;
            takeIn();
        }
        standby.runs();
    }

    /** It is about to be restored, and must not run before that is done. */
    void restoring() {
        standby.halfRestored();
    }

    /** It stands, and is what it was: whatever stopped it, and every error, is undone. */
    void restored() {
        takeIn();
        error = null;
        isErrorTold = false;
        stoppedByUs = true;
        standby.stands();
    }

    /** Looks at what QEMU has told. */
    void takeIn() {
        for (MonitorEvent event; (event = monitor.pollEvent()) != null;) {
            takeIn(event);
        }
    }

    void takeIn(MonitorEvent event) {
        switch (event.name()) {
            case "STOP" -> stands = true;
            case "RESUME" -> stands = false;
            default -> {
                if (error == null && detectors.of(event) != null) {
                    error = event;
                }
            }
        }
    }

    boolean isErroneous() {
        return error != null;
    }

    boolean isWatchdogs() {
        return error != null && detectors.of(error) == Detector.WATCHDOG;
    }

    /** Tells of the error that there is. */
    void tellError(TargetEvent into) {
        Detectors.tell(detectors.of(error), error, into);
        isErrorTold = true;
    }

    /** An error that nobody was told of came meanwhile, and stays. */
    void forgetToldError() {
        if (isErrorTold) {
            error = null;
            isErrorTold = false;
        }
    }
}
