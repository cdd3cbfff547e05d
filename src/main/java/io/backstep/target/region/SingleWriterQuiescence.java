// SPDX-License-Identifier: Apache-2.0
package io.backstep.target.region;

import java.util.concurrent.locks.LockSupport;

/**
 * For one writer with a duty cycle: it calls {@link #quiescentState()} where its data is consistent, once a cycle. That
 * costs the reading of two fields when nothing is asked. While it waits for work elsewhere it should be {@link
 * #offline()}, so that a capture need not wait for it.
 *
 * <p>It is offline at first: the first quiescent state is where it begins to count. A writer that ends must be offline,
 * or no capture succeeds any more.
 */
public final class SingleWriterQuiescence implements Quiescence {
    private static final int SPINS = 2_000;
    private static final long PARK_NS = 20_000;

    /** Odd while a rest is asked for; each request has a number of its own. */
    private volatile long asked;
    private volatile long answered;
    private volatile boolean offline = true;

    /** The writer's data is consistent. Waits while a capture or rollback is under way. The writer's thread. */
    public void quiescentState() {
        if (offline) {
            online();
        } else if ((asked & 1) != 0) {
            rest();
        }
    }

    /** The writer will not write before {@link #online()}. Its thread. */
    public void offline() {
        offline = true;
    }

    /** The writer will write again. Waits while a capture or rollback is under way. Its thread. */
    public void online() {
        offline = false;
        while ((asked & 1) != 0) {
            offline = true;
            awaitOtherThan(asked | 1);
            offline = false;
        }
    }

    private void rest() {
        long request = asked;
        if ((request & 1) != 0) {
            answered = request;
            awaitOtherThan(request);
        }
    }

    private void awaitOtherThan(long request) {
        for (int i = 0; asked == request; i++) {
            if (i < SPINS) {
                Thread.onSpinWait();
            } else {
                LockSupport.parkNanos(PARK_NS);
            }
        }
    }

    @Override
    @SuppressWarnings("NonAtomicOperationOnVolatileField") // the engine's thread is the only one that asks
    public boolean stop(long deadlineNs) {
        long request = asked | 1;
        asked = request;
        for (int i = 0; answered != request && !offline; i++) {
            if (System.nanoTime() - deadlineNs >= 0) {
                asked = request + 1;
                return false;
            }
            if (i < SPINS) {
                Thread.onSpinWait();
            } else {
                LockSupport.parkNanos(PARK_NS);
            }
        }
        return true;
    }

    @Override
    @SuppressWarnings("NonAtomicOperationOnVolatileField")
    public void go() {
        long request = asked;
        if ((request & 1) != 0) {
            asked = request + 1;
        }
    }
}
