// SPDX-License-Identifier: Apache-2.0
package io.backstep.vm;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;

/** Stands between clients and a guest's monitor, until it is cut. */
public final class MonitorRelay implements AutoCloseable {
    private final Path socket;
    private final Path monitor;
    private final ServerSocketChannel server;
    private final List<SocketChannel> channels = new CopyOnWriteArrayList<>();

    /** Listens from now on. */
    public MonitorRelay(GuestVm guest) {
        socket = guest.directory().resolve("relayed.sock");
        monitor = guest.qmpSocket();
        try {
            server = ServerSocketChannel.open(StandardProtocolFamily.UNIX);
            server.bind(UnixDomainSocketAddress.of(socket));
        } catch (IOException e) {
            throw new UncheckedIOException("listen on " + socket, e);
        }
        start(this::serve);
    }

    /** Where clients reach the monitor. */
    public Path socket() {
        return socket;
    }

    private static void start(Runnable work) {
        Thread thread = new Thread(work, "relays a monitor");
        thread.setDaemon(true);
        thread.start();
    }

    private void serve() {
        try {
            while (true) {
                SocketChannel client = server.accept();
                SocketChannel upstream = SocketChannel.open(UnixDomainSocketAddress.of(monitor));
                channels.addAll(List.of(client, upstream));
                start(() -> pass(client, upstream));
                start(() -> pass(upstream, client));
            }
        } catch (IOException e) {
            // it was cut
        }
    }

    private static void pass(SocketChannel from, SocketChannel to) {
        ByteBuffer bytes = ByteBuffer.allocate(1 << 16);
        try {
            while (from.read(bytes.clear()) >= 0) {
                bytes.flip();
                while (bytes.hasRemaining()) {
                    to.write(bytes);
                }
            }
        } catch (IOException e) {
            // one of them has gone
        }
    }

    /** Nobody reaches the monitor any more. */
    @Override
    public void close() {
        try {
            server.close();
            Files.deleteIfExists(socket);
            for (SocketChannel channel : channels) {
                channel.close();
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
