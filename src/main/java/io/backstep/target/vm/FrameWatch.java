// SPDX-License-Identifier: Apache-2.0
package io.backstep.target.vm;

import io.backstep.sys.NativeSaving;

/** A thread that waits until what is saved of a running machine needs frames, and then wakes whoever has them. */
final class FrameWatch implements AutoCloseable {
    private final NativeSaving saving;
    private final Thread thread;

    /** Begins. */
    FrameWatch(NativeSaving saving, Runnable wake) {
        this.saving = saving;
        thread = new Thread(() -> {
            while (saving.awaitWant()) {
                wake.run();
            }
        }, "backstep-frames");
        thread.setDaemon(true);
        thread.start();
    }

    /** Waits for the thread's end, which is near. */
    @Override
    public void close() {
        saving.endAwait();
        boolean interrupted = false;
        while (thread.isAlive()) {
            try {
                thread.join();
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }
}
