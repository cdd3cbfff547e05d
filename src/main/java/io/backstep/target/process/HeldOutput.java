// SPDX-License-Identifier: Apache-2.0
package io.backstep.target.process;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.atomic.AtomicReference;

import io.backstep.core.BackstepException;
import io.backstep.sys.NativeOutput;

/**
 * Standard output and error of a program started by us, held until no kept checkpoint can take them back. Two streams
 * that lead to the same file are held as one, so that their order stays. Each stream has a daemon thread that moves its
 * bytes.
 */
final class HeldOutput implements AutoCloseable {
    private final NativeOutput output;
    private final NativeOutput error;
    private final AtomicReference<BackstepException> failure = new AtomicReference<>();
    private Thread outputPump;
    private Thread errorPump;
    private boolean finished;

    HeldOutput() {
        output = new NativeOutput(NativeOutput.STANDARD_OUTPUT);
        error = leadToOneFile() ? output : new NativeOutput(NativeOutput.STANDARD_ERROR);
    }

    private static boolean leadToOneFile() {
        try {
            return Files.readSymbolicLink(Path.of("/proc/self/fd/1"))
                    .equals(Files.readSymbolicLink(Path.of("/proc/self/fd/2")));
        } catch (java.io.IOException e) {
            return false;
        }
    }

    NativeOutput output() {
        return output;
    }

    NativeOutput error() {
        return error;
    }

    void startPumps() {
        outputPump = startPump(output, "backstep-output");
        errorPump = error == output ? null : startPump(error, "backstep-error");
    }

    private Thread startPump(NativeOutput stream, String name) {
        Thread pump = new Thread(() -> {
            try {
                stream.pump();
            } catch (BackstepException e) {
                failure.compareAndSet(null, e);
            }
        }, name);
        pump.setDaemon(true);
        pump.start();
        return pump;
    }

    /** Why output could no longer be passed on (its reader has gone), or null. */
    BackstepException failure() {
        return failure.get();
    }

    /** What was written before a state can no longer be taken back. */
    void release(ProcessState oldest) {
        output.release(oldest.outputMark());
        if (error != output) {
            error.release(oldest.errorMark());
        }
    }

    /** From now on everything passes. */
    void releaseAll() {
        output.releaseAll();
        error.releaseAll();
    }

    long heldBytes() {
        return output.heldBytes() + (error == output ? 0 : error.heldBytes());
    }

    /** The target has ended or was let go: writes out what is left. A failure is that of a reader that has gone. */
    void finish() {
        if (finished) {
            return;
        }
        finished = true;
        finish(output, outputPump);
        if (error != output) {
            finish(error, errorPump);
        }
    }

    private void finish(NativeOutput stream, Thread pump) {
        stream.stop();
        try {
            if (pump != null) {
                pump.join();
            }
            stream.finish();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        } catch (BackstepException e) {
            failure.compareAndSet(null, e);
        }
    }

    @Override
    public void close() {
        finish();
        output.close();
        if (error != output) {
            error.close();
        }
    }
}
