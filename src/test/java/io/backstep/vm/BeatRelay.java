// SPDX-License-Identifier: Apache-2.0
package io.backstep.vm;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.concurrent.CountDownLatch;

/** Passes a guest's heartbeats on to those who listen at a socket, one after the other. */
public final class BeatRelay implements AutoCloseable {
    private static final int FEW = 3;
    private static final long LOOK_EVERY_MS = 5;

    private final GuestVm guest;
    private final Path socket;
    private final ServerSocketChannel server;
    private final Thread thread;
    private volatile CountDownLatch passed = new CountDownLatch(FEW);

    /** Listens from now on, until it is closed. */
    public BeatRelay(GuestVm guest) {
        this.guest = guest;
        socket = guest.directory().resolve("relay.sock");
        try {
            server = ServerSocketChannel.open(StandardProtocolFamily.UNIX);
            server.bind(UnixDomainSocketAddress.of(socket));
        } catch (IOException e) {
            throw new UncheckedIOException("listen on " + socket, e);
        }
        thread = new Thread(this::serve, "relays heartbeats");
        thread.setDaemon(true);
        thread.start();
    }

    /** Where beats come out. */
    public Path socket() {
        return socket;
    }

    /** The next listener's beats count from now on. */
    public void expectListener() {
        passed = new CountDownLatch(FEW);
    }

    private void serve() {
        try {
            while (true) {
                pass(server.accept());
            }
        } catch (IOException | InterruptedException e) {
            // the test has ended
        }
    }

    private void pass(SocketChannel listener) throws InterruptedException {
        try (listener) {
            CountDownLatch counter = passed;
            for (int count = guest.beatCount();; Thread.sleep(LOOK_EVERY_MS)) {
                int now = guest.beatCount();
                if (now > count) {
                    listener.write(ByteBuffer.wrap(new byte[now - count]));
                    count = now;
                    counter.countDown();
                }
            }
        } catch (IOException e) {
            // this listener has gone
        }
    }

    /** Whether a few beats have reached the listener. */
    public boolean hasPassed() {
        return passed.getCount() == 0;
    }

    @Override
    public String toString() {
        return thread.getState() + Arrays.toString(thread.getStackTrace());
    }

    @Override
    public void close() {
        thread.interrupt();
        try {
            server.close();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
