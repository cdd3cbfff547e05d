// SPDX-License-Identifier: Apache-2.0
package io.backstep.target.vm;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.List;
import java.util.Map;

import io.backstep.core.BackstepException;
import io.backstep.core.BackstepException.Reason;

/**
 * The processors and devices of a machine that stands, saved and loaded by QEMU. It saves them with the command that is
 * meant for Xen, which leaves memory and disks out; the counterpart of that command cannot be used on a machine that has
 * run, but the job that loads internal snapshots can, given an image that holds this state.
 * Confined to one thread.
 */
final class Devices {
    private static final String SAVE = "xen-save-devices-state";
    private static final String NODE = "backstep-devices";
    private static final String JOB = "backstep-load";
    private static final long MOST_TICKS_PER_NS = 16; // of the host's own counter, which is what QEMU counts
    private static final String TYPE_SUFFIX = "-machine";

    private final Monitor monitor;
    private final ExchangeFiles files;
    private final String machine;
    private final boolean isEmulated;
    private long ticks; // that the processors have counted at most
    private long ticksAtNs;
    private long savedNs;

    Devices(Monitor monitor, ExchangeFiles files) {
        this.monitor = monitor;
        this.files = files;
        String type = String.valueOf(monitor.execute("qom-get", Map.of("path", "/machine", "property", "type")));
        machine = type.endsWith(TYPE_SUFFIX) ? type.substring(0, type.length() - TYPE_SUFFIX.length()) : type;
        isEmulated = !Boolean.TRUE.equals(((Map<?, ?>) monitor.execute("query-kvm")).get("enabled"));
    }

    /** The type of the machine, such as "pc-q35-7.2". */
    String machine() {
        return machine;
    }

    /** Begins to save; the monitor's answer is the end of it. */
    void beginSave() {
        savedNs = System.nanoTime();
        monitor.send(SAVE, Map.of("filename", files.saved().toString()));
    }

    /** Has a save to a path ready, which is the next that is done; nothing is stopped yet. */
    void prepareSave(String path) {
        monitor.sendButEnd(SAVE, Map.of("filename", path));
    }

    /** Begins the save that is ready. A machine that runs is stopped for that, and goes on after it. */
    void beginPreparedSave() {
        savedNs = System.nanoTime();
        monitor.sendEnd();
    }

    /** After the answer: takes what was saved to our file. */
    void take(MachineState into, long diskMark, long capture) {
        try {
            into.fill(files.savedChannel(), diskMark, capture);
        } catch (IOException e) {
            throw new BackstepException(Reason.FAILED, "reading the state of devices: " + e.getMessage(), e);
        }
    }

    /** Takes note of the last state that was saved, wherever it was saved to. */
    void note(MachineState state) {
        if (isEmulated) {
            ticks = TimeStampCounters.ticks(state.stream());
            ticksAtNs = savedNs;
        }
    }

    /**
     * First half of a load: everything that can be done while nothing is touched.
     *
     * @throws BackstepException REFUSED: nothing was touched
     */
    void prepareLoad(MachineState state) {
        try {
            SnapshotImage.write(files.image(), isEmulated ? withNewTicks(state) : state.stream(), machine);
            monitor.execute("blockdev-add", Map.of("driver", "qcow2", "node-name", NODE,
                    "file", Map.of("driver", "file", "filename", files.image().toString())));
        } catch (IOException e) {
            throw new BackstepException(Reason.REFUSED, "handing QEMU the state of devices: " + e.getMessage(), e);
        } catch (BackstepException e) {
            throw e.reason() == Reason.GONE ? e : new BackstepException(Reason.REFUSED, e.getMessage(), e);
        }
    }

    /** With more ticks than can have been counted until now, which nobody asks QEMU. */
    private ByteBuffer withNewTicks(MachineState state) {
        long now = System.nanoTime();
        ticks += (now - ticksAtNs) * MOST_TICKS_PER_NS;
        ticksAtNs = now;
        return TimeStampCounters.withTicks(state.stream(), ticks);
    }

    /**
     * Second half of a load: processors and devices are what they were. QEMU resets the machine first, and so may write to memory.
     *
     * @throws BackstepException BROKEN: they may be anything now
     */
    void load() {
        try {
            monitor.execute("snapshot-load", Map.of("job-id", JOB, "tag", SnapshotImage.TAG, "vmstate", NODE,
                    "devices", List.of(NODE)));
            awaitJob();
            monitor.execute("blockdev-del", Map.of("node-name", NODE));
        } catch (BackstepException e) {
            throw e.reason() == Reason.GONE ? e
                    : new BackstepException(Reason.BROKEN, "loading the state of devices: " + e.getMessage(), e);
        }
    }

    private void awaitJob() {
        while (true) {
            for (Object job : (List<?>) monitor.execute("query-jobs")) {
                Map<?, ?> facts = (Map<?, ?>) job;
                if (JOB.equals(facts.get("id")) && "concluded".equals(facts.get("status"))) {
                    monitor.execute("job-dismiss", Map.of("id", JOB));
                    if (facts.get("error") != null) {
                        throw new BackstepException(Reason.FAILED, "QEMU: " + facts.get("error"));
                    }
                    return;
                }
            }
        }
    }
}
