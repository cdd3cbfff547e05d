// SPDX-License-Identifier: Apache-2.0
package io.backstep.sys;

import java.util.List;
import java.util.Locale;
import java.util.function.IntConsumer;

/** Signal numbers and names, as x86-64 and aarch64 Linux have them. */
public final class Signals {
    private static final List<String> NAMES = List.of("", "SIGHUP", "SIGINT", "SIGQUIT", "SIGILL", "SIGTRAP", "SIGABRT",
            "SIGBUS", "SIGFPE", "SIGKILL", "SIGUSR1", "SIGSEGV", "SIGUSR2", "SIGPIPE", "SIGALRM", "SIGTERM",
            "SIGSTKFLT", "SIGCHLD", "SIGCONT", "SIGSTOP", "SIGTSTP", "SIGTTIN", "SIGTTOU", "SIGURG", "SIGXCPU",
            "SIGXFSZ", "SIGVTALRM", "SIGPROF", "SIGWINCH", "SIGIO", "SIGPWR", "SIGSYS");

    /** Ends the reception of signals. */
    @FunctionalInterface
    public interface Receiving extends AutoCloseable {
        @Override
        void close();
    }

    private Signals() {
    }

    public static String name(int number) {
        return number > 0 && number < NAMES.size() ? NAMES.get(number) : "signal " + number;
    }

    /**
     * The number of a signal given by name, with or without "SIG".
     *
     * @throws IllegalArgumentException if there is none of that name
     */
    public static int number(String name) {
        String upper = name.trim().toUpperCase(Locale.ROOT);
        int number = NAMES.indexOf(upper.startsWith("SIG") ? upper : "SIG" + upper);
        if (number <= 0) {
            throw new IllegalArgumentException("'" + name + "' is not the name of a signal");
        }
        return number;
    }

    /** The exit status by which shells tell that a signal ended a program; names as {@link #name} gives them. */
    public static int exitStatus(String name) {
        return 128 + (name.startsWith("signal ") ? Integer.parseInt(name.substring("signal ".length())) : number(name));
    }

    /**
     * Takes signals to this process over, for good, and hands each that comes to a receiver on a daemon thread, until
     * the returned is closed: a virtual machine that ends waits some 300 ms for a thread that still blocks in native
     * code. Signals that were ignored when this process was started stay so.
     */
    public static Receiving receive(Iterable<Integer> numbers, IntConsumer receiver) {
        Codes.check(LibBackstep.bs_signals_watch(mask(numbers)));
        Thread thread = new Thread(() -> {
            for (int number; (number = Codes.check(LibBackstep.bs_signals_next())) != 0;) {
                receiver.accept(number);
            }
        }, "backstep-signals");
        thread.setDaemon(true);
        thread.start();
        return LibBackstep::bs_signals_stop;
    }

    public static long mask(Iterable<Integer> numbers) {
        long mask = 0;
        for (int number : numbers) {
            mask |= 1L << (number - 1);
        }
        return mask;
    }
}
