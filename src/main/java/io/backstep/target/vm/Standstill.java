// SPDX-License-Identifier: Apache-2.0
package io.backstep.target.vm;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

import io.backstep.core.BackstepException;
import io.backstep.core.BackstepException.Reason;
import io.backstep.sys.NativeStall;

/**
 * The machine stands for a capture, and its processors and devices are saved meanwhile. A machine that runs is stopped,
 * saved and let go on by one command: QEMU writes to a pipe that stalls it until memory was copied. Where it cannot open
 * that pipe, and for a machine that stands already, each step is a command. Confined to one thread.
 */
final class Standstill implements AutoCloseable {
    private static final int LOOK_MS = 20;

    private enum Way {
        /** None is under way. */
        NONE,
        /** Stopped by somebody before. */
        STOOD,
        /** A command for each step. */
        BY_STEPS,
        /** One command. */
        STALLED
    }

    private final Monitor monitor;
    private final MachineRun run;
    private final Devices devices;
    private final NativeStall stall = new NativeStall();
    private boolean isStallReached;
    private Way way = Way.NONE;
    private boolean isPrepared;
    private int expectedBytes;
    private boolean isTaken;

    Standstill(Monitor monitor, MachineRun run, Devices devices, int pid) {
        this.monitor = monitor;
        this.run = run;
        this.devices = devices;
        isStallReached = seesOurFiles(pid);
    }

    /** Whether a path below /proc means the same to a process as to us; whether it may be followed shows in use. */
    private static boolean seesOurFiles(int pid) {
        try {
            for (String space : new String[] {"ns/pid", "ns/mnt"}) {
                Path theirs = Files.readSymbolicLink(Path.of("/proc", Integer.toString(pid), space));
                if (!theirs.equals(Files.readSymbolicLink(Path.of("/proc/self", space)))) {
                    return false;
                }
            }
            return true;
        } catch (IOException e) {
            return false;
        }
    }

    /**
     * What can be done before anything is stopped. A command that does nothing rouses QEMU's threads, and brings what the
     * next command needs into processors' caches, which costs the pause some tenths of a millisecond otherwise. Nothing
     * may be asked of QEMU from here to {@link #begin}.
     */
    void prepare() {
        monitor.execute("query-name");
        isPrepared = isStallReached && expectedBytes > 0 && !run.stands();
        if (isPrepared) {
            devices.prepareSave(stall.arm(expectedBytes));
        }
    }

    /** The machine stands from now on. */
    void begin(boolean standsForUs) {
        isTaken = false;
        if (isPrepared && beginStalled()) {
            return;
        }
        if (standsForUs) {
            way = Way.STOOD;
            devices.beginSave();
        } else {
            way = Way.BY_STEPS;
            run.beginStop();
            devices.beginSave();
            run.endStop();
        }
    }

    private boolean beginStalled() {
        way = Way.STALLED;
        devices.beginPreparedSave();
        while (!stall.awaitOpen(LOOK_MS)) {
            if (monitor.isAnswered()) { // it was not opened, and never will be
                isStallReached = false;
                endStalled();
                return false;
            }
        }
        return true;
    }

    private void endStalled() {
        way = Way.NONE;
        stall.disarm();
        receiveAny();
        run.takeIn();
    }

    /** An answer, be it a failure. */
    private void receiveAny() {
        try {
            monitor.receive();
        } catch (BackstepException e) {
            if (e.reason() == Reason.GONE) {
                throw e;
            }
        }
    }

    /** Processors and devices are saved, and nothing else is to be waited for. */
    void awaitSaved() {
        if (way == Way.STALLED) {
            boolean wasStalled = stall.take();
            way = Way.NONE; // it goes on
            isTaken = true;
            monitor.receive();
            run.takeIn();
            if (!wasStalled) {
                expectedBytes = stall.takenBytes();
                throw new BackstepException(Reason.FAILED, "QEMU had less to save than before");
            }
        } else {
            monitor.receive();
        }
    }

    /** The machine goes on if it stands for this only; what was not waited for is given up. */
    void end() {
        if (way == Way.STALLED) {
            endStalled();
        }
        while (monitor.pending() > 0) {
            receiveAny();
        }
        if (way == Way.BY_STEPS) {
            run.goOn();
        }
        way = Way.NONE;
    }

    /** What was saved; QEMU does not write there again before the next time. */
    void take(MachineState into, long diskMark, long capture) {
        if (isTaken) {
            into.fill(stall.takenBytes(), stall::copyTo, diskMark, capture);
        } else {
            devices.take(into, diskMark, capture);
        }
        devices.note(into);
        expectedBytes = into.stream().limit();
    }

    @Override
    public void close() {
        stall.close();
    }
}
