// SPDX-License-Identifier: Apache-2.0
package io.backstep.cli;

import java.time.Duration;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.BooleanSupplier;
import java.util.function.Supplier;

/** Waits for conditions that other processes bring about, up to a limit. */
final class Await {
    /** Far more than anything here takes on a busy machine. */
    static final Duration LIMIT = Duration.ofSeconds(60);

    private static final long LOOK_EVERY_MS = 2;

    private Await() {
    }

    /** Waits until it is so. */
    static void until(String what, BooleanSupplier isSo) {
        if (!within(LIMIT, isSo)) {
            throw new AssertionError("waited in vain for " + LIMIT.toSeconds() + " s until " + what);
        }
    }

    /** Waits until there is a value. */
    static <T> T value(String what, Supplier<T> orNull) {
        AtomicReference<T> found = new AtomicReference<>();
        until(what, () -> {
            found.set(orNull.get());
            return found.get() != null;
        });
        return found.get();
    }

    /** Is it so before the limit? */
    static boolean within(Duration limit, BooleanSupplier isSo) {
        long deadlineNs = System.nanoTime() + limit.toNanos();
        while (!isSo.getAsBoolean()) {
            if (System.nanoTime() - deadlineNs >= 0) {
                return false;
            }
            pause(LOOK_EVERY_MS);
        }
        return true;
    }

    /** Lets time go by, where a moment is to be chosen at random. */
    static void pause(long milliseconds) {
        try {
            Thread.sleep(milliseconds);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new AssertionError("interrupted", e);
        }
    }
}
