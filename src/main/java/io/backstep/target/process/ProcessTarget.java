// SPDX-License-Identifier: Apache-2.0
package io.backstep.target.process;

import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;

import io.backstep.core.BackstepException;
import io.backstep.core.Capture;
import io.backstep.core.Discipline;
import io.backstep.core.ExecutionState;
import io.backstep.core.FaultSurface;
import io.backstep.core.FramePool;
import io.backstep.core.PageRanges;
import io.backstep.core.PageWrites;
import io.backstep.core.PreImages;
import io.backstep.core.Target;
import io.backstep.core.TargetEvent;
import io.backstep.sys.CaptureWords;
import io.backstep.sys.EventWords;
import io.backstep.sys.Inheritance;
import io.backstep.sys.NativeProcess;
import io.backstep.sys.NativeSaving;
import io.backstep.sys.RestorePagesWords;
import io.backstep.sys.RestoreWords;
import io.backstep.sys.Signals;

/**
 * An unmodified Linux process as a target. The kernel notes which pages it writes, or holds each first write until the
 * page is saved; a capture is one native call. Its errors are fatal signals, seen before the process sees them.
 */
public final class ProcessTarget implements Target {
    /** The signals that end a program which does not handle them and that a transient fault can cause. */
    public static final Set<Integer> ERROR_SIGNALS = Set.of(Signals.number("SEGV"), Signals.number("BUS"),
            Signals.number("ILL"), Signals.number("FPE"), Signals.number("ABRT"), Signals.number("SYS"));

    private final NativeProcess process;
    private final HeldOutput heldOutput;
    private final String name;
    private final int pid;
    private final EventWords event = new EventWords();
    private final CaptureWords captureWords = new CaptureWords();
    private final RestoreWords restoreWords = new RestoreWords();
    private final RestorePagesWords restorePages = new RestorePagesWords();
    private final ProcessFaults faults;
    private final ProcessUse use;
    private final PageRanges held = new PageRanges();
    private final PageRanges heldBefore = new PageRanges();
    private final PageRanges gone = new PageRanges();
    private final PageRanges rewritten = new PageRanges();
    private final NativeSaving saving;
    private final Set<String> leftFiles = new LinkedHashSet<>();
    private boolean captureOpen;
    private boolean closed;
    private long interruptedNs;

    private ProcessTarget(NativeProcess process, HeldOutput heldOutput, String name, Discipline discipline) {
        saving = discipline == Discipline.COW ? new NativeSaving() : null;
        if (saving != null) {
            process.holdWrites(saving);
        }
        this.process = process;
        this.heldOutput = heldOutput;
        this.name = name;
        this.pid = process.pid();
        this.faults = new ProcessFaults(process, held);
        this.use = new ProcessUse(ProcFiles.of(pid), heldOutput != null);
        process.holdBack(Signals.mask(ERROR_SIGNALS), false);
    }

    /**
     * Starts a program, which stands before its first instruction.
     *
     * @param holdOutput hold what it writes to standard output and error until no checkpoint can take it back
     * @param inheritance what else it gets of ours
     * @throws BackstepException UNFIT: the program does not exist or cannot be run
     */
    public static ProcessTarget run(
            List<String> command, boolean holdOutput, Inheritance inheritance, Discipline discipline) {
        byte[] arguments = CommandBytes.of(command);
        byte[] file = ProgramPath.find(command.get(0), arguments, System.getenv("PATH"));
        HeldOutput output = holdOutput ? new HeldOutput() : null;
        try {
            NativeProcess process = NativeProcess.spawn(file, arguments, inheritance,
                    output == null ? null : output.output(), output == null ? null : output.error());
            if (output != null) {
                output.startPumps();
            }
            return new ProcessTarget(process, output, baseName(command.get(0)), discipline);
        } catch (BackstepException e) {
            if (output != null) {
                output.close();
            }
            throw e;
        }
    }

    /** As {@link #run(List, boolean, Inheritance, Discipline)}, by the copy discipline. */
    public static ProcessTarget run(List<String> command, boolean holdOutput, Inheritance inheritance) {
        return run(command, holdOutput, inheritance, Discipline.COPY);
    }

    /**
     * Takes hold of a running process.
     *
     * @throws BackstepException UNFIT: it is not there, or this user may not trace it
     */
    public static ProcessTarget attach(int pid, Discipline discipline) {
        ProcFiles.refuseUnlessTraceable(pid);
        return new ProcessTarget(NativeProcess.attach(pid), null, ProcFiles.commandName(pid), discipline);
    }

    /** As {@link #attach(int, Discipline)}, by the copy discipline. */
    public static ProcessTarget attach(int pid) {
        return attach(pid, Discipline.COPY);
    }

    private static String baseName(String path) {
        return path.substring(path.lastIndexOf('/') + 1);
    }

    /** Chooses the signals that count as errors; handledToo: also those that the program has a handler for. */
    public void errorSignals(Set<Integer> signals, boolean handledToo) {
        process.holdBack(Signals.mask(signals), handledToo);
    }

    @Override
    public String kind() {
        return "process";
    }

    @Override
    public String name() {
        return name;
    }

    @Override
    public long pid() {
        return pid;
    }

    /**
     * For how long, in all, the registers of the process were not its own: a kill of backstep in that time is fatal to
     * it.
     */
    public long interruptedNs() {
        return interruptedNs;
    }

    @Override
    public void start() {
        held.clear();
        interruptedNs += process.track();
    }

    @Override
    public ExecutionState newState() {
        return new ProcessState();
    }

    @Override
    public void await(long deadlineNs, TargetEvent into) {
        process.await(deadlineNs, event);
        switch (event.kind()) {
            case EventWords.ERROR -> into.error("signal", Signals.name(event.signal()), describe());
            case EventWords.EXITED -> ended(into);
            case EventWords.EXECED -> into.replaced();
            default -> into.none();
        }
    }

    private String describe() {
        String at = event.faultAddress() == 0 ? "" : String.format(" at 0x%x", event.faultAddress());
        return Signals.name(event.signal()) + at + " in thread " + event.tid();
    }

    private void ended(TargetEvent into) {
        if (heldOutput != null) {
            heldOutput.finish();
        }
        if (event.endedBySignal()) {
            into.ended(0, Signals.name(event.endedWith()));
        } else {
            into.ended(event.endedWith(), null);
        }
    }

    @Override
    public void wake() {
        process.wake();
    }

    @Override
    public void halt() {
        process.halt();
    }

    @Override
    public void resume() {
        process.resume(false);
    }

    @Override
    public void resumeIntoError() {
        process.resume(true);
    }

    @Override
    public boolean capture(Capture capture) {
        boolean goOn = captureOpen;
        captureOpen = false;
        if (!goOn) {
            capture.clearResults();
        }
        if (!process.capture(capture, captureWords, goOn)) {
            captureOpen = true;
            return false;
        }
        heldBefore.copyFrom(held);
        captureWords.held(held);
        capture.dropped().setDifference(heldBefore, held);
        if (saving != null) {
            saving.fill(capture);
        }
        if (!capture.isLive()) {
            ((ProcessState) capture.state()).fill(captureWords);
        }
        return true;
    }

    @Override
    public void abandonCapture() {
        captureOpen = false;
        process.abandonCapture();
    }

    @Override
    public void lookBack(PageRanges written, PreImages saved) {
        process.lookBack(restoreWords);
        restoreWords.held(heldBefore);
        gone.setDifference(held, heldBefore);
        tellWritten(written, saved);
    }

    @Override
    public void beginRollback(ExecutionState state, PageRanges written, PreImages saved) {
        process.beginRestore(((ProcessState) state).address(), restoreWords);
        heldBefore.copyFrom(held);
        restoreWords.held(held);
        gone.setDifference(heldBefore, held);
        tellWritten(written, saved);
    }

    private void tellWritten(PageRanges written, PreImages saved) {
        restoreWords.written(rewritten);
        written.setUnion(rewritten, gone);
        if (saving == null) {
            saved.clear();
        } else {
            saving.fill(saved);
        }
    }

    @Override
    public FramePool pool() {
        return saving;
    }

    @Override
    public void finishRollback(ExecutionState state, PageWrites writes) {
        process.finishRestore(((ProcessState) state).address(), writes, restorePages, restoreWords);
        restoreWords.held(held);
        leftFiles.addAll(restoreWords.leftFiles());
    }

    @Override
    public void commit(ExecutionState oldestKept) {
        if (heldOutput != null) {
            heldOutput.release((ProcessState) oldestKept);
        }
    }

    @Override
    public void stopTracking() {
        process.stopTracking();
        if (heldOutput != null) {
            heldOutput.releaseAll();
        }
    }

    @Override
    public void kill() {
        process.kill();
    }

    /** Sends a signal to the process, as kill(2). */
    public void signal(int number) {
        process.signal(number);
    }

    @Override
    public FaultSurface faultSurface() {
        return faults;
    }

    @Override
    public Set<String> unprotected() {
        Set<String> uses = use.look();
        leftFiles.forEach(path -> uses.add("file " + path
                + ": was opened for writing after the checkpoint of a rollback, and what was written to it stays"));
        leftFiles.clear();
        return uses;
    }

    @Override
    public long heldBytes() {
        return heldOutput == null ? 0 : heldOutput.heldBytes();
    }

    @Override
    public void close() {
        if (closed) {
            return;
        }
        closed = true;
        process.close();
        if (heldOutput != null) {
            heldOutput.close();
        }
        event.close();
        captureWords.close();
        restoreWords.close();
        restorePages.close();
        held.close();
        heldBefore.close();
        gone.close();
        rewritten.close();
        if (saving != null) {
            saving.close();
        }
    }
}
