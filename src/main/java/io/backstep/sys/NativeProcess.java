// SPDX-License-Identifier: Apache-2.0
package io.backstep.sys;

import java.util.List;
import java.util.stream.IntStream;

import io.backstep.core.BackstepException;
import io.backstep.core.Capture;
import io.backstep.core.PageWrites;
import org.agrona.UnsafeApi;

/**
 * A traced process ({@code bs_process}). Confined to the thread that made it, but for {@link #wake()} and {@link
 * #signal}. Failures are
 * {@link BackstepException}s with the library's text.
 */
public final class NativeProcess implements AutoCloseable {
    private final Object lock = new Object();
    private long handle;

    private NativeProcess(long handle) {
        this.handle = handle;
    }

    /**
     * Starts a program, stopped before its first instruction.
     *
     * @param file what is executed
     * @param arguments each with its zero byte; the first is the program's name for itself
     * @param output null: inherited, as for error
     */
    public static NativeProcess spawn(
            byte[] file, byte[] arguments, Inheritance inheritance, NativeOutput output, NativeOutput error) {
        long out = UnsafeApi.allocateMemory(Long.BYTES);
        try (ProgramWords program =
                        new ProgramWords(file, arguments, inheritance, handleOf(output), handleOf(error))) {
            Codes.checkOpen(LibBackstep.bs_process_spawn(program.address(), out));
            return new NativeProcess(UnsafeApi.getLong(out));
        } finally {
            UnsafeApi.freeMemory(out);
        }
    }

    /** Takes hold of a running process. */
    public static NativeProcess attach(int pid) {
        long out = UnsafeApi.allocateMemory(Long.BYTES);
        try {
            Codes.checkOpen(LibBackstep.bs_process_attach(pid, out));
            return new NativeProcess(UnsafeApi.getLong(out));
        } finally {
            UnsafeApi.freeMemory(out);
        }
    }

    private static long handleOf(NativeOutput output) {
        return output == null ? 0 : output.handle();
    }

    public int pid() {
        return LibBackstep.bs_process_pid(handle);
    }

    /**
     * Makes the memory trackable; leaves the process halted. Returns for how many nanoseconds its registers were not
     * its own.
     */
    public long track() {
        long out = UnsafeApi.allocateMemory(Long.BYTES);
        try {
            Codes.check(LibBackstep.bs_process_track(handle, out));
            return UnsafeApi.getLong(out);
        } finally {
            UnsafeApi.freeMemory(out);
        }
    }

    /** Chooses the cow discipline, before {@link #track()}. */
    public void holdWrites(NativeSaving saving) {
        Codes.check(LibBackstep.bs_process_hold_writes(handle, NativeSaving.handleOf(saving)));
    }

    /** Ends what {@link #track()} began; the process stays held. */
    public void stopTracking() {
        LibBackstep.bs_process_untrack(handle);
    }

    /** Signals to hold back and report, as a mask: bit n-1 for signal n. */
    public void holdBack(long signals, boolean handledToo) {
        LibBackstep.bs_process_catch(handle, signals, handledToo ? 1 : 0);
    }

    public void await(long deadlineNs, EventWords event) {
        Codes.check(LibBackstep.bs_process_wait(handle, deadlineNs, event.address()));
    }

    /** Any thread; without effect once closed. */
    public void wake() {
        synchronized (lock) {
            if (handle != 0) {
                LibBackstep.bs_process_wake(handle);
            }
        }
    }

    public void halt() {
        Codes.check(LibBackstep.bs_process_halt(handle));
    }

    public void resume(boolean deliverSignal) {
        Codes.check(LibBackstep.bs_process_resume(handle, deliverSignal ? 1 : 0));
    }

    /** One pause. Returns false when the capture needs more frames; then goOn must be true the next time. */
    public boolean capture(Capture capture, CaptureWords words, boolean goOn) {
        words.ask(capture, goOn);
        return words.answer(capture, LibBackstep.bs_process_capture(handle, words.address()));
    }

    public void abandonCapture() {
        Codes.check(LibBackstep.bs_process_capture_abandon(handle));
    }

    /**
     * Counts a kept copy of a state, which lies at an address; each must be released, also after the process was
     * closed.
     */
    public static void retainState(long state) {
        LibBackstep.bs_state_retain(state);
    }

    public static void releaseState(long state) {
        LibBackstep.bs_state_release(state);
    }

    public void lookBack(RestoreWords words) {
        Codes.check(LibBackstep.bs_process_look_back(handle, words.address()));
    }

    public void beginRestore(long state, RestoreWords words) {
        Codes.check(LibBackstep.bs_process_restore_begin(handle, state, words.address()));
    }

    public void finishRestore(long state, PageWrites writes, RestorePagesWords pages, RestoreWords words) {
        pages.ask(writes);
        Codes.check(LibBackstep.bs_process_restore_finish(handle, state, pages.address(), words.address()));
    }

    public void kill() {
        Codes.check(LibBackstep.bs_process_kill(handle));
    }

    /** Sends a signal, as kill(2). Any thread; without effect once closed. */
    public void signal(int number) {
        synchronized (lock) {
            if (handle != 0) {
                Codes.check(LibBackstep.bs_process_signal(handle, number));
            }
        }
    }

    public int threadCount() {
        return LibBackstep.bs_process_thread_count(handle);
    }

    public static List<String> registerNames() {
        return IntStream.range(0, LibBackstep.bs_register_count()).mapToObj(LibBackstep::bs_register_name).toList();
    }

    public void flipRegister(int thread, int register, long mask) {
        Codes.check(LibBackstep.bs_process_flip_register(handle, thread, register, mask));
    }

    public void flipMemory(long address, long mask) {
        Codes.check(LibBackstep.bs_process_flip_memory(handle, address, mask));
    }

    /** Nanoseconds that one thread takes to copy pages between a process and frames, as a capture or rollback does. */
    public static long measureCopy(int pid, long pages, long frames, long count, boolean write) {
        long result = LibBackstep.bs_measure_copy(pid, pages, frames, count, write ? 1 : 0);
        Codes.check((int) Math.min(0, result));
        return result;
    }

    @Override
    public void close() {
        synchronized (lock) {
            if (handle != 0) {
                LibBackstep.bs_process_close(handle);
                handle = 0;
            }
        }
    }
}
