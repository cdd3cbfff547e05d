// SPDX-License-Identifier: Apache-2.0
package io.backstep.target.region;

import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.concurrent.CountDownLatch;

/** A call that is expected to wait, made by a thread of its own. */
final class Blocked {
    private static final int LOOK_MS = 30;
    private static final int PATIENCE_MS = 20_000;

    private final CountDownLatch begun = new CountDownLatch(1);
    private final Thread thread;
    private volatile boolean returned;

    Blocked(Runnable call) {
        thread = new Thread(() -> {
            begun.countDown();
            call.run();
            returned = true;
        });
        thread.setDaemon(true);
        thread.start();
    }

    /** That nothing happens cannot be awaited, only looked at for a while. */
    void assertWaits() throws InterruptedException {
        begun.await();
        thread.join(LOOK_MS);
        assertTrue(thread.isAlive(), "it did not wait");
    }

    void assertGoesOn() throws InterruptedException {
        thread.join(PATIENCE_MS);
        assertFalse(thread.isAlive(), "it still waits");
        assertTrue(returned, "it failed");
    }

    void interrupt() {
        thread.interrupt();
    }
}
