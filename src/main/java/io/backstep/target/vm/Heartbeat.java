// SPDX-License-Identifier: Apache-2.0
package io.backstep.target.vm;

import java.io.IOException;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.nio.file.Path;

import io.backstep.core.BackstepException;
import io.backstep.core.BackstepException.Reason;

/** What a guest writes to a port that QEMU leads to a Unix socket: any byte is a beat. Confined to one thread. */
final class Heartbeat implements AutoCloseable {
    private final ByteBuffer bytes = ByteBuffer.allocate(4096);
    private final SocketChannel channel;
    private boolean ended;

    private Heartbeat(SocketChannel channel) {
        this.channel = channel;
    }

    /**
     * Connects.
     *
     * @throws BackstepException UNFIT: nobody listens there
     */
    static Heartbeat connect(Path socket) {
        try {
            SocketChannel channel = SocketChannel.open(UnixDomainSocketAddress.of(socket));
            channel.configureBlocking(false);
            return new Heartbeat(channel);
        } catch (IOException e) {
            throw new BackstepException(Reason.UNFIT, "cannot listen to the guest's heartbeat at " + socket + ": "
                    + e.getMessage(), e);
        }
    }

    /** Whether there were beats since the last call. A port that was closed has none any more. */
    boolean beats() {
        boolean any = false;
        try {
            int count;
            while (!ended && (count = channel.read(bytes.clear())) != 0) {
                ended = count < 0;
                any |= count > 0;
            }
        } catch (IOException e) {
            ended = true;
        }
        return any;
    }

    @Override
    public void close() {
        try {
            channel.close();
        } catch (IOException e) {
            throw new BackstepException(Reason.FAILED, "closing the guest's heartbeat: " + e.getMessage(), e);
        }
    }
}
