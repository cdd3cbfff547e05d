// SPDX-License-Identifier: Apache-2.0
package io.backstep.target.vm;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Function;

import io.backstep.core.BackstepException;
import io.backstep.core.BackstepException.Reason;
import io.backstep.core.Capture;
import io.backstep.core.Discipline;
import io.backstep.core.ExecutionState;
import io.backstep.core.FaultSurface;
import io.backstep.core.FramePool;
import io.backstep.core.PageRanges;
import io.backstep.core.PageWrites;
import io.backstep.core.Phase;
import io.backstep.core.PreImages;
import io.backstep.core.Target;
import io.backstep.core.TargetEvent;
import io.backstep.sys.CaptureWords;
import io.backstep.sys.NativeGuest;
import io.backstep.sys.NativeSaving;
import io.backstep.sys.RestorePagesWords;
import io.backstep.sys.RestoreWords;

/**
 * An unmodified virtual machine of a running QEMU as a target. QEMU stops and continues it, and saves and loads its
 * processors and devices; its memory is tracked, copied and written from outside, at the same time. Errors are what QEMU
 * tells of: a panic, a watchdog, a disk.
 */
public final class VmTarget implements Target {
    private static final Map<String, Object> ACTIONS = Map.of("panic", "pause", "watchdog", "pause");
    /** QEMU tells nobody what they were; these are those that it has if nobody says otherwise. */
    private static final Standby.Command ACTIONS_BEFORE =
            new Standby.Command("set-action", Map.of("panic", "shutdown", "watchdog", "reset"));

    private final Monitor monitor;
    private final int pid;
    private final String name;
    private final Disks disks;
    private final Detectors detectors;
    private final HangDetector hangs;
    private final HeldNetwork network;
    private final ExchangeFiles files;
    private final Devices devices;
    private final CaptureWords captureWords = new CaptureWords();
    private final RestoreWords restoreWords = new RestoreWords();
    private final RestorePagesWords restorePages = new RestorePagesWords();
    private final GuestLayout layout;
    private final VmFaults faults;
    private final Set<String> notRestored;
    private final List<Standby.Command> actionsBefore;
    private final Standby standby;
    private final NativeSaving saving; // null: the copy discipline
    private final MachineRun run;
    private final Standstill standstill;
    private final PageRanges spoiled = new PageRanges();
    private final Mending mending = new Mending();
    private FrameWatch frameWatch;
    private NativeGuest memory;
    private boolean isLoaded;
    private boolean halted;
    private boolean captureOpen;
    private boolean ended;
    private boolean closed;
    private long captures;
    private long freezeNs;
    private long pauseBeganNs;

    private VmTarget(Monitor monitor, Path socket, int pid, VmOptions options, NativeSaving saving, ExchangeFiles files,
            Function<Path, VmDisk> diskServers) {
        this.monitor = monitor;
        this.saving = saving;
        this.pid = pid;
        this.files = files;
        detectors = new Detectors(options.detectors());
        devices = new Devices(monitor, files);
        layout = GuestLayout.of(monitor);
        name = nameOf(monitor, devices);
        faults = new VmFaults(monitor, layout, files, pid);
        actionsBefore = new ArrayList<>(List.of(ACTIONS_BEFORE));
        if (detectors.needResets()) {
            actionsBefore.add(new Standby.Command("set-action", Map.of("reboot", rebootActionOf(pid))));
        }
        hangs = new HangDetector(options);
        List<String> netdevs = HeldNetwork.netdevs(monitor);
        network = new HeldNetwork(monitor, options.holdsNetwork() ? netdevs : List.of());
        Inventory inventory =
                Inventory.of(monitor, layout, diskServers, options.acceptsUnservedDisks());
        disks = new Disks(inventory.disks());
        notRestored = new LinkedHashSet<>(inventory.notRestored());
        if (!options.holdsNetwork()) {
            netdevs.forEach(netdev -> notRestored.add("network " + netdev + ": what the guest sends goes out at once, and "
                    + "again after a rollback"));
        }
        List<Standby.Command> untie = new ArrayList<>(network.undo());
        untie.addAll(actionsBefore);
        try {
            standby = new Standby(socket, untie, files.directory());
        } catch (RuntimeException e) {
            disks.close();
            throw e;
        }
        run = new MachineRun(monitor, detectors, standby);
        standstill = new Standstill(monitor, run, devices, pid);
    }

    /**
     * Takes hold of the machine of a running QEMU, which runs on.
     *
     * @param diskServers gives the disk that is served at a Unix socket, or null if its writes cannot be taken back
     * @throws BackstepException UNFIT: there is no such monitor, or the machine cannot be protected
     */
    public static VmTarget attach(
            Path socket, VmOptions options, Discipline discipline, Function<Path, VmDisk> diskServers) {
        Monitor monitor = Monitor.connect(socket);
        NativeSaving saving = discipline == Discipline.COW ? new NativeSaving() : null;
        ExchangeFiles files = null;
        try {
            int pid = options.pid() == 0 ? MonitorOwner.pidOf(socket) : options.pid();
            files = ExchangeFiles.open(options.exchange(), pid);
            return new VmTarget(monitor, socket, pid, options, saving, files, diskServers);
        } catch (RuntimeException e) {
            if (files != null) {
                files.close();
            }
            if (saving != null) {
                saving.close();
            }
            monitor.close();
            throw e;
        }
    }

    private static String nameOf(Monitor monitor, Devices devices) {
        Object name = monitor.execute("query-name") instanceof Map<?, ?> facts ? facts.get("name") : null;
        return name == null ? devices.machine() : name.toString();
    }

    /** What QEMU was started to do when the guest resets the machine. */
    private static String rebootActionOf(int pid) {
        try {
            String words = Files.readString(Path.of("/proc", Integer.toString(pid), "cmdline"),
                    StandardCharsets.ISO_8859_1).replace('\0', ' ') + " ";
            return words.contains(" -no-reboot ") || words.contains("reboot=shutdown") ? "shutdown" : "reset";
        } catch (IOException e) {
            throw new BackstepException(Reason.UNFIT, "cannot read how QEMU was started: " + e, e);
        }
    }

    @Override
    public String kind() {
        return "vm";
    }

    @Override
    public String name() {
        return name;
    }

    @Override
    public long pid() {
        return pid;
    }

    /** Where the machine's memory lies. */
    GuestLayout layout() {
        return layout;
    }

    @Override
    public void start() {
        run.learn();
        monitor.execute("set-action", ACTIONS);
        if (detectors.needResets()) {
            monitor.execute("set-action", Map.of("reboot", "reset"));
        }
        halt();
        hangs.start();
        network.setUp();
        memory = NativeGuest.open(pid, saving);
        if (saving != null) {
            frameWatch = new FrameWatch(saving, monitor::wake);
        }
        for (RamBlock block : layout.blocks()) {
            memory.add(block.hostAddress(), block.lengthBytes());
        }
    }

    @Override
    public ExecutionState newState() {
        return new MachineState(disks::release);
    }

    /* ---- stopping and going on ---- */

    @Override
    public void halt() {
        requireLife();
        if (!halted) {
            run.beginStop();
            run.endStop();
            halted = true;
        }
    }

    private void requireLife() {
        if (ended || closed) {
            throw new BackstepException(Reason.GONE, "the machine " + name + " has ended");
        }
    }

    @Override
    public void resume() {
        requireLife();
        run.forgetToldError();
        halted = false;
        run.goOn();
    }

    /** A machine that panicked stays as it is, for people to look at. */
    @Override
    public void resumeIntoError() {
        if (run.isWatchdogs()) {
            monitor.execute("system_reset");
        }
        resume();
    }

    /* ---- events ---- */

    @Override
    public void await(long deadlineNs, TargetEvent into) {
        into.none();
        atLeisure(true);
        try {
            run.takeIn();
            while (!run.isErroneous()) {
                MonitorEvent event = monitor.nextEvent(hangs.deadlineNs(deadlineNs, System.nanoTime()));
                if (event == null) {
                    lookForHang(into);
                    return;
                }
                run.takeIn(event);
            }
            run.tellError(into);
        } catch (BackstepException e) {
            if (e.reason() != Reason.GONE) {
                throw e;
            }
            ended = true;
            into.ended(0, null);
        } finally {
            atLeisure(false);
        }
    }

    /** Held writes wait for frames only while nothing is asked of QEMU, which could need such a write to answer. */
    private void atLeisure(boolean on) {
        if (saving != null && memory != null) {
            memory.atLeisure(on);
        }
    }

    /** A machine that others have stopped does not hang. */
    private void lookForHang(TargetEvent into) {
        long now = System.nanoTime();
        if (run.stands()) {
            hangs.anew(now);
        } else {
            hangs.tellIfHung(now, into);
        }
    }

    @Override
    public void wake() {
        monitor.wake();
    }

    /* ---- captures ---- */

    @Override
    public boolean capture(Capture capture) {
        requireLife();
        boolean goesOn = captureOpen;
        captureOpen = false;
        if (!goesOn) {
            capture.clearResults();
            if (!capture.isLive()) {
                beginPause(capture);
            }
        }
        try {
            if (!memory.capture(capture, captureWords, goesOn)) {
                captureOpen = true;
                return false;
            }
            if (!capture.isLive()) {
                endPause(capture);
            }
            if (saving != null) {
                saving.fill(capture);
            }
            return true;
        } catch (BackstepException e) {
            memory.abandonCapture();
            endCapture();
            throw e;
        }
    }

    /** The state of devices is being saved from now on, and the disks are marked. */
    private void beginPause(Capture capture) {
        network.capturing(captures + 1);
        disks.drop();
        standstill.prepare();
        memory.copyAhead(capture, captureWords);
        pauseBeganNs = System.nanoTime();
        try {
            standstill.begin(halted);
            freezeNs = System.nanoTime() - pauseBeganNs;
            requireNoError();
            disks.beginMark();
        } catch (BackstepException e) {
            endCapture();
            throw e;
        }
    }

    private void requireNoError() {
        if (run.isErroneous()) {
            throw new BackstepException(Reason.OVERTAKEN, "an error of " + name + " came before the capture");
        }
    }

    private void endPause(Capture capture) {
        long copiedNs = System.nanoTime();
        long mark = disks.endMark();
        try {
            standstill.awaitSaved();
            requireNoError();
            long savedNs = System.nanoTime();
            endCapture();
            long now = System.nanoTime();
            standstill.take((MachineState) capture.state(), mark, ++captures);
            capture.phaseNs(Phase.FREEZE, freezeNs);
            capture.phaseNs(Phase.STATE, savedNs - copiedNs);
            capture.phaseNs(Phase.THAW, now - savedNs);
            capture.atNs(pauseBeganNs + freezeNs);
            capture.pauseNs(now - pauseBeganNs);
        } catch (BackstepException e) {
            disks.release(mark);
            throw e;
        }
    }

    private void endCapture() {
        captureOpen = false;
        disks.abandonMark();
        try {
            standstill.end();
        } catch (BackstepException e) {
            ended = ended || e.reason() == Reason.GONE;
            throw e;
        }
    }

    @Override
    public void abandonCapture() {
        if (captureOpen) {
            memory.abandonCapture();
            endCapture();
        }
    }

    /* ---- rollbacks ---- */

    @Override
    public void lookBack(PageRanges written, PreImages saved) {
        halt();
        memory.beginRestore(restoreWords);
        tellWritten(written, saved);
    }

    private void tellWritten(PageRanges written, PreImages saved) {
        restoreWords.written(written);
        if (saving == null) {
            saved.clear();
        } else {
            saving.fill(saved);
        }
    }

    /** The machine has stood since {@link #lookBack}, so what that found still holds. */
    @Override
    public void beginRollback(ExecutionState state, PageRanges written, PreImages saved) {
        disks.require(((MachineState) state).mark());
        devices.prepareLoad((MachineState) state);
        tellWritten(written, saved);
        spoiled.clear();
        isLoaded = false;
    }

    /**
     * Memory comes first, since devices look at what the guest has told them there. To load them resets the machine, which
     * writes firmware to memory: that is put right when this is called again, or at once from what was saved of it.
     */
    @Override
    public void finishRollback(ExecutionState state, PageWrites writes) {
        long mark = ((MachineState) state).mark();
        run.restoring();
        broken(() -> {
            if (isLoaded) {
                mending.keepOnly(spoiled, writes);
                memory.finishRestore(mending.writes(), restorePages);
                spoiled.clear();
            } else {
                disks.rollBack(mark);
                memory.finishRestore(writes, restorePages);
                devices.load();
                findSpoiled();
                isLoaded = true;
            }
        });
        if (spoiled.isEmpty()) {
            hangs.anew(System.nanoTime());
            broken(() -> network.rolledBack(((MachineState) state).number()));
            run.restored();
        }
    }

    private void findSpoiled() {
        if (saving == null) {
            memory.beginRestore(restoreWords);
            restoreWords.written(spoiled);
        } else {
            memory.undo();
        }
    }

    @Override
    public FramePool pool() {
        return saving;
    }

    @Override
    public boolean spoiledByRollback(PageRanges written) {
        written.copyFrom(spoiled);
        return !spoiled.isEmpty();
    }

    private void broken(Runnable step) {
        try {
            step.run();
        } catch (BackstepException e) {
            throw e.reason() == Reason.GONE ? e
                    : new BackstepException(Reason.BROKEN, "machine " + name + ": " + e.getMessage(), e);
        }
    }

    @Override
    public void commit(ExecutionState oldestKept) {
        network.committed(((MachineState) oldestKept).number());
    }

    @Override
    public void stopTracking() {
        forget();
        unlessGone(network::tearDown);
    }

    private void forget() {
        if (frameWatch != null) {
            frameWatch.close();
            frameWatch = null;
        }
        if (memory != null) {
            memory.close();
            memory = null;
        }
    }

    /** A machine that must not run on: QEMU ends. */
    @Override
    public void kill() {
        if (!ended && !closed) {
            ended = true;
            unlessGone(() -> monitor.execute("quit"));
        }
    }

    /** That QEMU has ended, awaiting the machine tells. */
    private static void unlessGone(Runnable step) {
        try {
            step.run();
        } catch (BackstepException e) {
            if (e.reason() != Reason.GONE) {
                throw e;
            }
        }
    }

    @Override
    public FaultSurface faultSurface() {
        return faults;
    }

    @Override
    public Set<String> unprotected() {
        Set<String> told = new LinkedHashSet<>(notRestored);
        notRestored.clear();
        return told;
    }

    @Override
    public long heldBytes() {
        return 0;
    }

    /** The machine runs on, as if nobody had been there. */
    @Override
    public void close() {
        if (closed) {
            return;
        }
        closed = true;
        forget();
        if (!ended) {
            unlessGone(this::letGo);
        }
        disks.close();
        hangs.close();
        standby.close();
        standstill.close();
        monitor.close();
        files.close();
        captureWords.close();
        restoreWords.close();
        restorePages.close();
        spoiled.close();
        mending.close();
        if (saving != null) {
            saving.close();
        }
    }

    private void letGo() {
        run.goOn();
        network.tearDown();
        actionsBefore.forEach(command -> monitor.execute(command.name(), command.arguments()));
    }
}
