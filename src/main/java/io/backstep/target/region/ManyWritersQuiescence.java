// SPDX-License-Identifier: Apache-2.0
package io.backstep.target.region;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.util.concurrent.locks.LockSupport;

import org.agrona.collections.ArrayUtil;

/**
 * For many writer threads: each has a {@link Writer} of its own and is inside of it while its data may be inconsistent.
 * To enter costs one write that the processor orders before later reads; writers do not touch each other's memory.
 */
public final class ManyWritersQuiescence implements Quiescence {
    private static final int SPINS = 2_000;
    private static final long PARK_NS = 20_000;

    private volatile Writer[] writers = {};
    private volatile boolean stopAsked;

    /** A writer, for one thread at a time. Any thread. */
    public synchronized Writer newWriter() {
        Writer writer = new Writer(this);
        writers = ArrayUtil.add(writers, writer);
        return writer;
    }

    private synchronized void remove(Writer writer) {
        writers = ArrayUtil.remove(writers, writer);
    }

    @Override
    public boolean stop(long deadlineNs) {
        stopAsked = true;
        for (Writer writer : writers) {
            for (int tries = 0; writer.isInside(); tries++) {
                if (System.nanoTime() - deadlineNs >= 0) {
                    stopAsked = false;
                    return false;
                }
                idle(tries);
            }
        }
        return true;
    }

    @Override
    public void go() {
        stopAsked = false;
    }

    private static void idle(int tries) {
        if (tries < SPINS) {
            Thread.onSpinWait();
        } else {
            LockSupport.parkNanos(PARK_NS);
        }
    }

    /** Keeps writers out of each other's cache lines. */
    @SuppressWarnings("unused")
    abstract static class PaddingBefore {
        int p0; // fills the gap behind the object's header, where the JVM would put the field of the next class
        long p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11, p12, p13, p14, p15;
    }

    abstract static class Place extends PaddingBefore {
        static final VarHandle INSIDE;

        static {
            try {
                INSIDE = MethodHandles.lookup().findVarHandle(Place.class, "inside", int.class);
            } catch (ReflectiveOperationException e) {
                throw new ExceptionInInitializerError(e);
            }
        }

        @SuppressWarnings("unused") // through INSIDE
        int inside;
    }

    /**
     * One writer's place. Not thread-safe; does not nest. Who stays inside for long, or ends there, keeps every capture
     * from succeeding and all others waiting meanwhile: leave it in a finally block.
     */
    public static final class Writer extends Place implements AutoCloseable {
        private final ManyWritersQuiescence quiescence;
        @SuppressWarnings("unused")
        long q1, q2, q3, q4, q5, q6, q7, q8, q9, q10, q11, q12, q13, q14, q15;

        private Writer(ManyWritersQuiescence quiescence) {
            this.quiescence = quiescence;
        }

        /** The data may become inconsistent from now on. Waits while a capture or rollback is under way. */
        public void enter() {
            INSIDE.setVolatile(this, 1);
            if (quiescence.stopAsked) {
                enterLater();
            }
        }

        private void enterLater() {
            do {
                INSIDE.setVolatile(this, 0);
                for (int tries = 0; quiescence.stopAsked; tries++) {
                    idle(tries);
                }
                INSIDE.setVolatile(this, 1);
            } while (quiescence.stopAsked);
        }

        /** The data is consistent. */
        public void exit() {
            INSIDE.setRelease(this, 0);
        }

        boolean isInside() {
            return (int) INSIDE.getVolatile(this) != 0;
        }

        /** The thread writes no more: it is not waited for from now on. It must not be inside, nor enter again. */
        @Override
        public void close() {
            quiescence.remove(this);
        }
    }
}
