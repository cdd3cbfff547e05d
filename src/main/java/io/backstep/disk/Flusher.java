// SPDX-License-Identifier: Apache-2.0
package io.backstep.disk;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;

/** Flushes the disk on a thread of its own; one flush serves all who wait when it begins. Thread-safe. */
final class Flusher implements AutoCloseable {
    private final Disk disk;
    private final Thread thread;
    private List<Request> waiting = new ArrayList<>();
    private boolean isClosed;

    /** Who is told that a flush is done. */
    interface Waiter {
        /** @param failure null if it went well */
        void flushed(long cookie, IOException failure);
    }

    private record Request(Waiter waiter, long cookie) {
    }

    Flusher(Disk disk) {
        this.disk = disk;
        thread = new Thread(this::run, "backstep-disk-flush");
        thread.setDaemon(true);
        thread.start();
    }

    /** Asks for a flush of all that was written by now. */
    synchronized void flush(Waiter waiter, long cookie) {
        waiting.add(new Request(waiter, cookie));
        notifyAll();
    }

    private void run() {
        for (List<Request> requests; !(requests = next()).isEmpty();) {
            IOException failure = null;
            try {
                disk.flush();
            } catch (IOException e) {
                failure = e;
            }
            for (Request request : requests) {
                request.waiter().flushed(request.cookie(), failure);
            }
        }
    }

    /** Empty at the end. */
    private synchronized List<Request> next() {
        while (waiting.isEmpty() && !isClosed) {
            try {
                wait();
            } catch (InterruptedException e) {
                isClosed = true; // nobody interrupts it
            }
        }
        List<Request> next = waiting;
        waiting = new ArrayList<>();
        return next;
    }

    /** Does what was asked for, and ends. */
    @Override
    public void close() {
        synchronized (this) {
            isClosed = true;
            notifyAll();
        }
        try {
            thread.join();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
