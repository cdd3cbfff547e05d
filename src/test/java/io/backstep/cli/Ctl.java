// SPDX-License-Identifier: Apache-2.0
package io.backstep.cli;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;

/** A test's end of a control socket: asks and looks into the replies. */
final class Ctl implements AutoCloseable {
    private final LineClient client;

    Ctl(Path socket) {
        client = Await.value("somebody answers at " + socket, () -> connect(socket));
    }

    private static LineClient connect(Path socket) {
        try {
            return new LineClient(socket);
        } catch (IOException e) {
            return null;
        }
    }

    /** The reply to a line, or null if the other end has gone. */
    Json askOrNull(String line) {
        try {
            String reply = client.ask(line);
            return reply == null ? null : Json.parse(reply);
        } catch (IOException e) {
            return null;
        }
    }

    Json ask(String line) {
        Json reply = askOrNull(line);
        if (reply == null) {
            throw new AssertionError("no reply to " + line);
        }
        return reply;
    }

    /** The reply to a request that must be granted. */
    Json granted(String command) {
        Json reply = ask(request(command));
        if (!Boolean.TRUE.equals(reply.at("ok"))) {
            throw new AssertionError(command + ": " + reply);
        }
        return reply;
    }

    static String request(String command) {
        return "{\"command\":\"" + command + "\"}";
    }

    static String rollbackTo(long checkpoint) {
        return "{\"command\":\"rollback\",\"to\":" + checkpoint + "}";
    }

    @Override
    public void close() {
        try {
            client.close();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
