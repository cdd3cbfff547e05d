// SPDX-License-Identifier: Apache-2.0
package io.backstep.target.vm;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** A monitor of no QEMU, which serves one client and gives fixed answers. */
final class PlayedMonitor implements AutoCloseable {
    private static final Pattern COMMAND =
            Pattern.compile("\\{\"execute\": ?\"([^\"]+)\".*?(?:\"command-line\": ?\"([^\"]+)\".*)?\"id\": ?(\\d+)\\}");

    private final Path socket;
    private final Map<String, String> answers;
    private final ServerSocketChannel server;
    private final Thread thread;

    /** Answers are JSON, by the command or, for the monitor for people, its line. Others get an empty object. */
    PlayedMonitor(Path socket, Map<String, String> answers) throws IOException {
        this.socket = socket;
        this.answers = answers;
        server = ServerSocketChannel.open(StandardProtocolFamily.UNIX);
        server.bind(UnixDomainSocketAddress.of(socket));
        thread = new Thread(this::serve, "plays a monitor");
        thread.start();
    }

    /** Nobody reaches it any more but who has. */
    void hide() {
        try {
            Files.delete(socket);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private void serve() {
        try (SocketChannel client = server.accept();
                BufferedReader lines = new BufferedReader(Channels.newReader(client, StandardCharsets.UTF_8))) {
            say(client, "{\"QMP\": {}}");
            for (String line; (line = lines.readLine()) != null;) {
                Matcher command = COMMAND.matcher(line);
                if (!command.matches()) {
                    throw new IllegalStateException("no command: " + line);
                }
                String name = command.group(2) == null ? command.group(1) : command.group(2);
                say(client, "{\"return\": " + answers.getOrDefault(name, "{}") + ", \"id\": " + command.group(3) + "}");
            }
        } catch (IOException e) {
            // the test is over
        }
    }

    private static void say(SocketChannel client, String line) throws IOException {
        ByteBuffer bytes = ByteBuffer.wrap((line + "\r\n").getBytes(StandardCharsets.UTF_8));
        while (bytes.hasRemaining()) {
            client.write(bytes);
        }
    }

    @Override
    public void close() throws Exception {
        server.close();
        thread.join();
    }
}
