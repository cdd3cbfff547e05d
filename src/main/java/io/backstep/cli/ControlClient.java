// SPDX-License-Identifier: Apache-2.0
package io.backstep.cli;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.util.List;

/** The other end of a control socket. Not thread-safe; calls block, but no longer than a time limit. */
final class ControlClient implements AutoCloseable {
    /** More than the server lets a request take. */
    static final long TIMEOUT_MS = ControlServer.TIMEOUT_MS + 5_000;

    private static final int REPLY_LIMIT = 16 << 20;
    private static final int CHUNK = 4096;

    private final SocketChannel channel;
    private final long timeoutMs;

    private ControlClient(SocketChannel channel, long timeoutMs) {
        this.channel = channel;
        this.timeoutMs = timeoutMs;
    }

    /** Connects to the backstep that protects a process, or returns null if none does. */
    static ControlClient connect(List<ControlDirectory> directories, int pid, long timeoutMs) {
        for (ControlDirectory directory : directories) {
            if (directory.isTrusted() && Files.exists(directory.socketOf(pid))) {
                try {
                    UnixDomainSocketAddress address = UnixDomainSocketAddress.of(directory.socketOf(pid));
                    return new ControlClient(SocketChannel.open(address), timeoutMs);
                } catch (IOException e) {
                    continue; // left behind by a backstep that was killed
                }
            }
        }
        return null;
    }

    /**
     * Asks and waits for the reply, which is one line without its end.
     *
     * @throws IOException there is no whole reply, or none in time
     */
    String ask(ControlRequest request) throws IOException {
        channel.configureBlocking(true);
        String text = ControlProtocol.request(request) + "\n";
        ByteBuffer line = ByteBuffer.wrap(text.getBytes(StandardCharsets.US_ASCII));
        while (line.hasRemaining()) {
            channel.write(line);
        }
        channel.configureBlocking(false);
        try (Selector selector = Selector.open()) {
            channel.register(selector, SelectionKey.OP_READ);
            return receive(selector, System.nanoTime() + timeoutMs * 1_000_000);
        }
    }

    private String receive(Selector selector, long deadlineNs) throws IOException {
        ByteArrayOutputStream reply = new ByteArrayOutputStream();
        ByteBuffer chunk = ByteBuffer.allocate(CHUNK);
        for (;;) {
            long leftMs = (deadlineNs - System.nanoTime()) / 1_000_000;
            if (leftMs <= 0) {
                throw new IOException("backstep does not answer");
            }
            selector.select(leftMs);
            selector.selectedKeys().clear();
            int count = channel.read(chunk.clear());
            if (count < 0 || reply.size() > REPLY_LIMIT) {
                throw new IOException("backstep went away without a whole answer");
            }
            for (int i = 0; i < count; i++) {
                if (chunk.get(i) == '\n') {
                    return reply.toString(StandardCharsets.UTF_8);
                }
                reply.write(chunk.get(i));
            }
        }
    }

    @Override
    public void close() throws IOException {
        channel.close();
    }
}
