// SPDX-License-Identifier: Apache-2.0
package io.backstep;

import java.nio.file.Files;
import java.nio.file.Path;

import io.backstep.core.BackstepException;
import io.backstep.core.BackstepException.Reason;
import io.backstep.disk.DiskClient;
import io.backstep.target.vm.VmDisk;

/** A disk that 'backstep disk' serves, as a machine's protection sees it. A server that was started anew is found again. */
final class ServedDisk implements VmDisk {
    private final Path socket;
    private DiskClient client;
    private long oldest = Long.MAX_VALUE;

    private ServedDisk(Path socket) {
        this.socket = socket;
        client = DiskClient.connect(socket);
    }

    /** The disk that is served at a socket, or null if another program serves it. */
    static VmDisk at(Path socket) {
        return Files.exists(DiskClient.controlPath(socket)) ? new ServedDisk(socket) : null;
    }

    @Override
    public void beginMark(long mark) {
        guarded(() -> {
            if (client == null) {
                client = DiskClient.connect(socket);
            }
            client.sendMark(mark);
        });
    }

    @Override
    public void endMark() {
        guarded(() -> oldest = connected().awaitMark());
    }

    @Override
    public long oldestMark() {
        return oldest;
    }

    @Override
    public void drop(long mark) {
        if (client != null) {
            guarded(() -> client.drop(mark));
        }
    }

    @Override
    public void rollBack(long mark) {
        guarded(() -> connected().rollback(mark));
    }

    private DiskClient connected() {
        if (client == null) {
            throw new BackstepException(Reason.FAILED, "the disk at " + socket + " is not served any more");
        }
        return client;
    }

    /** The disk's server is not the machine: that it has gone is a failure. */
    private void guarded(Runnable step) {
        try {
            step.run();
        } catch (BackstepException e) {
            if (e.reason() != Reason.GONE) {
                throw e;
            }
            close();
            throw new BackstepException(Reason.FAILED, e.getMessage(), e);
        }
    }

    @Override
    public void close() {
        if (client != null) {
            client.close();
            client = null;
            oldest = Long.MAX_VALUE;
        }
    }
}
