// SPDX-License-Identifier: Apache-2.0
package io.backstep.cli;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.nio.file.Path;

/** A client that says whatever a test wants, also what no client should. Blocks. */
final class LineClient implements AutoCloseable {
    final SocketChannel channel;
    private final ByteBuffer one = ByteBuffer.allocate(1);

    LineClient(Path socket) throws IOException {
        channel = SocketChannel.open(UnixDomainSocketAddress.of(socket));
    }

    /** Sends a line and returns the next one that comes. */
    String ask(String line) throws IOException {
        send(line + "\n");
        return line();
    }

    void send(String text) throws IOException {
        send(text.getBytes(UTF_8));
    }

    void send(byte[] bytes) throws IOException {
        ByteBuffer buffer = ByteBuffer.wrap(bytes);
        while (buffer.hasRemaining()) {
            channel.write(buffer);
        }
    }

    /** The next line without its end, or null if there is none. */
    String line() throws IOException {
        ByteArrayOutputStream line = new ByteArrayOutputStream();
        while (channel.read(one.clear()) > 0) {
            if (one.get(0) == '\n') {
                return line.toString(UTF_8);
            }
            line.write(one.get(0));
        }
        return null;
    }

    @Override
    public void close() throws IOException {
        channel.close();
    }
}
