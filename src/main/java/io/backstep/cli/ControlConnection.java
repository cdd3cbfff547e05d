// SPDX-License-Identifier: Apache-2.0
package io.backstep.cli;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.SelectionKey;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.concurrent.CompletableFuture;

/**
 * One client of the control socket. It is served one request at a time: the next line is looked at when the reply to
 * the last one has been taken, so a client that talks and never listens holds up itself alone and takes bounded memory.
 * Belongs to the server's thread and never blocks.
 */
final class ControlConnection {
    private static final int BUFFER_INITIAL = 512;

    private final SocketChannel channel;
    private final SelectionKey key;
    private final ControlServer server;
    private ByteBuffer input = ByteBuffer.allocate(BUFFER_INITIAL);
    private int scanned;
    private ByteBuffer reply;
    private CompletableFuture<Map<String, Object>> answer;
    private Object answerId;
    private long deadlineNs;
    private long lastHeardNs;
    private boolean inputEnded;
    private boolean closing;

    ControlConnection(SocketChannel channel, SelectionKey key, ControlServer server, long nowNs) {
        this.channel = channel;
        this.key = key;
        this.server = server;
        lastHeardNs = nowNs;
    }

    boolean isAwaitingAnswer() {
        return answer != null;
    }

    /** When an answer that is awaited comes too late. */
    long deadlineNs() {
        return deadlineNs;
    }

    long lastHeardNs() {
        return lastHeardNs;
    }

    /** Does what the socket is ready for. */
    void onReady(long nowNs) throws IOException {
        lastHeardNs = nowNs;
        if (key.isReadable()) {
            read();
        }
        proceed(nowNs);
    }

    /** Replies if what is awaited has come, or will no more. */
    void onAnswer(long nowNs) throws IOException {
        if (answer == null) {
            return;
        }
        if (answer.isDone()) {
            reply(ControlServer.replyTo(answerId, answer));
        } else if (nowNs - deadlineNs >= 0) {
            reply(ControlProtocol.failure(answerId, "no answer in time; it may still be done"));
            answer.cancel(false);
        } else {
            return;
        }
        answer = null;
        proceed(nowNs);
    }

    /** Says why no more requests are taken, and closes. What cannot be sent at once is not sent. */
    void onEnd(String why) throws IOException {
        if (answer != null) {
            reply(answer.isDone() ? ControlServer.replyTo(answerId, answer) : ControlProtocol.failure(answerId, why));
        }
        if (reply != null) {
            channel.write(reply);
        }
        close();
    }

    void close() throws IOException {
        if (answer != null) {
            answer.cancel(false);
        }
        channel.close();
    }

    private void read() throws IOException {
        if (!input.hasRemaining()) {
            ByteBuffer larger = ByteBuffer.allocate(Math.min(2 * input.capacity(), ControlProtocol.LINE_LIMIT + 1));
            input = larger.put(input.flip());
        }
        inputEnded = channel.read(input) < 0;
    }

    /** Sends what is to be sent and takes up the lines that are there, as far as neither would block. */
    private void proceed(long nowNs) throws IOException {
        while (!isSending() && answer == null) {
            if (closing) {
                close();
                return;
            }
            byte[] line = nextLine();
            if (line != null) {
                take(line, nowNs);
            } else if (input.position() > ControlProtocol.LINE_LIMIT) {
                refuse("the line is longer than " + ControlProtocol.LINE_LIMIT + " bytes");
            } else if (inputEnded && input.position() > 0) {
                refuse("the last line has no end");
            } else if (inputEnded) {
                closing = true;
            } else {
                break;
            }
        }
        key.interestOps(reply != null ? SelectionKey.OP_WRITE : answer != null ? 0 : SelectionKey.OP_READ);
    }

    /** Writes as much of the reply as the socket takes. Is there any left? */
    private boolean isSending() throws IOException {
        if (reply != null) {
            channel.write(reply);
            if (!reply.hasRemaining()) {
                reply = null;
            }
        }
        return reply != null;
    }

    /** The first whole line, taken out of the input, or null. */
    private byte[] nextLine() {
        for (int i = scanned; i < input.position(); i++) {
            if (input.get(i) == '\n') {
                byte[] line = new byte[i];
                input.flip();
                input.get(line);
                input.get();
                input.compact();
                scanned = 0;
                return line;
            }
        }
        scanned = input.position();
        return null;
    }

    private void take(byte[] bytes, long nowNs) {
        ControlProtocol.Line line = ControlProtocol.parse(bytes);
        if (line.error() != null) {
            reply(ControlProtocol.failure(line.id(), line.error()));
            return;
        }
        CompletableFuture<Map<String, Object>> begun = server.begin(line.request());
        if (begun.isDone()) {
            reply(ControlServer.replyTo(line.id(), begun));
            return;
        }
        answer = begun;
        answerId = line.id();
        deadlineNs = nowNs + server.timeoutNs();
    }

    private void refuse(String why) {
        reply(ControlProtocol.failure(null, why));
        closing = true;
    }

    private void reply(String line) {
        reply = ByteBuffer.wrap((line + "\n").getBytes(StandardCharsets.US_ASCII));
    }
}
