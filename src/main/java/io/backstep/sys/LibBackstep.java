// SPDX-License-Identifier: Apache-2.0
package io.backstep.sys;

import com.sun.jna.Native;
import com.sun.jna.NativeLibrary;
import io.backstep.core.BackstepException;
import io.backstep.core.BackstepException.Reason;

/** The functions of {@code backstep.h} under their C names; pointers are longs. No logic: see the classes beside it. */
final class LibBackstep {
    private static final int ABI_VERSION = 1;

    static {
        Native.register(LibBackstep.class, NativeLibrary.getInstance("backstep"));
        int version = bs_abi_version();
        if (version != ABI_VERSION) {
            throw new BackstepException(Reason.UNFIT,
                    "native library has ABI " + version + ", this build needs " + ABI_VERSION
                            + ": another libbackstep.so comes first in the library path");
        }
    }

    private LibBackstep() {
    }

    static native int bs_abi_version();

    static native int bs_struct_size(int index);

    static native String bs_last_error();

    static native int bs_host_probe(long host);

    static native int bs_signals_watch(long signals);

    static native int bs_signals_next();

    static native void bs_signals_stop();

    static native int bs_output_open(int sink, long out);

    static native int bs_output_pump(long output);

    static native void bs_output_release(long output, long position);

    static native long bs_output_held(long output);

    static native void bs_output_stop(long output);

    static native int bs_output_finish(long output);

    static native void bs_output_close(long output);

    static native int bs_cow_open(long out);

    static native int bs_cow_feed(long cow, long frames, long count, long low);

    static native long bs_cow_pooled(long cow);

    static native long bs_cow_take_frames(long cow, long frames, long count);

    static native int bs_cow_await_want(long cow);

    static native void bs_cow_end_await(long cow);

    static native int bs_cow_saved(long cow, long spare, long spareCount, long saved);

    static native void bs_cow_close(long cow);

    static native int bs_process_spawn(long program, long out);

    static native int bs_process_attach(int pid, long out);

    static native int bs_process_pid(long process);

    static native int bs_process_track(long process, long interruptedNs);

    static native int bs_process_hold_writes(long process, long cow);

    static native void bs_process_untrack(long process);

    static native void bs_process_catch(long process, long signals, long handledToo);

    static native int bs_process_wait(long process, long deadlineNs, long event);

    static native void bs_process_wake(long process);

    static native int bs_process_halt(long process);

    static native int bs_process_resume(long process, int deliver);

    static native int bs_process_capture(long process, long capture);

    static native int bs_process_capture_abandon(long process);

    static native void bs_state_retain(long state);

    static native void bs_state_release(long state);

    static native int bs_process_look_back(long process, long restore);

    static native int bs_process_restore_begin(long process, long state, long restore);

    static native int bs_process_restore_finish(long process, long state, long pages, long restore);

    static native int bs_process_kill(long process);

    static native int bs_process_signal(long process, int signal);

    static native int bs_process_thread_count(long process);

    static native int bs_register_count();

    static native String bs_register_name(int index);

    static native int bs_process_flip_register(long process, int thread, int index, long mask);

    static native int bs_process_flip_memory(long process, long address, long mask);

    static native void bs_process_close(long process);

    static native int bs_memory_map(long length, long address);

    static native void bs_memory_unmap(long address, long length);

    static native int bs_regions_open(long out);

    static native int bs_regions_add(long regions, long address, long length);

    static native int bs_regions_capture(long regions, long capture);

    static native void bs_regions_capture_abandon(long regions);

    static native int bs_regions_restore_begin(long regions, long restore);

    static native int bs_regions_restore_finish(long regions, long pages);

    static native void bs_regions_close(long regions);

    static native int bs_guest_open(int pid, long cow, long interruptedNs, long out);

    static native int bs_guest_add(long guest, long address, long length);

    static native void bs_guest_at_leisure(long guest, int on);

    static native void bs_guest_copy_ahead(long guest, long capture);

    static native int bs_guest_capture(long guest, long capture);

    static native void bs_guest_capture_abandon(long guest);

    static native int bs_guest_restore_begin(long guest, long restore);

    static native int bs_guest_restore_finish(long guest, long pages);

    static native int bs_guest_undo(long guest);

    static native void bs_guest_close(long guest);

    static native int bs_standby_open(String socketPath, String script, long out);

    static native void bs_standby_note(long standby, int note);

    static native void bs_standby_close(long standby);

    static native int bs_stall_open(long out);

    static native int bs_stall_arm(long stall, long expected, long path);

    static native int bs_stall_await(long stall, int timeoutMs);

    static native int bs_stall_take(long stall, long content, long size);

    static native void bs_stall_disarm(long stall);

    static native void bs_stall_close(long stall);

    static native int bs_notify(String state);

    static native long bs_measure_fault();

    static native long bs_measure_held_write();

    static native long bs_measure_scan();

    static native long bs_measure_copy(int pid, long pages, long frames, long count, int write);
}
