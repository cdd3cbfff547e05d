// SPDX-License-Identifier: Apache-2.0
package io.backstep.disk;

import java.io.EOFException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.stream.Collectors;

import io.backstep.core.BackstepException;
import io.backstep.core.BackstepException.Reason;
import org.agrona.BufferUtil;

/**
 * The server's side of the control channel: a request a line, and for each a line that begins with {@code ok},
 * {@code error} (nothing was changed) or {@code broken} (a rollback failed halfway). The client that sets a mark owns
 * the marks until it ends; then they are dropped. Thread-safe.
 */
final class ControlChannel {
    private static final int LINE_LIMIT_BYTES = 4096;
    private static final int REPLY_LIMIT_BYTES = 1 << 16;

    private final Disk disk;
    private final Flusher flusher;
    private final Messages messages;
    private SocketChannel owner;

    ControlChannel(Disk disk, Flusher flusher, Messages messages) {
        this.disk = disk;
        this.flusher = flusher;
        this.messages = messages;
    }

    /** Serves a client until it ends. */
    void serve(SocketChannel client) {
        ByteBuffer in = ByteBuffer.allocateDirect(LINE_LIMIT_BYTES).limit(0);
        ByteBuffer out = ByteBuffer.allocateDirect(REPLY_LIMIT_BYTES);
        try {
            while (true) {
                byte[] reply = reply(client, awaitLine(client, in)).getBytes(StandardCharsets.US_ASCII);
                out.clear().put(reply, 0, Math.min(reply.length, REPLY_LIMIT_BYTES - 1)).put((byte) '\n').flip();
                while (out.hasRemaining()) {
                    client.write(out);
                }
            }
        } catch (IOException e) {
            // it has ended, or sent no lines
        } finally {
            release(client);
            BufferUtil.free(in);
            BufferUtil.free(out);
        }
    }

    private static String awaitLine(SocketChannel client, ByteBuffer in) throws IOException {
        int searched = 0;
        while (true) {
            for (; searched < in.remaining(); searched++) {
                if (in.get(in.position() + searched) == '\n') {
                    byte[] line = new byte[searched];
                    in.get(line).get();
                    return new String(line, StandardCharsets.ISO_8859_1);
                }
            }
            in.compact();
            try {
                if (!in.hasRemaining() || client.read(in) < 0) {
                    throw new EOFException("no line");
                }
            } finally {
                in.flip();
            }
        }
    }

    private String reply(SocketChannel client, String text) {
        try {
            return carryOut(client, new ControlLine(text));
        } catch (BackstepException | IllegalArgumentException e) {
            boolean isBroken = e instanceof BackstepException failure && failure.reason() == Reason.BROKEN;
            return (isBroken ? "broken " : "error ") + e.getMessage().replaceAll("[^ -~]", "?");
        }
    }

    private String carryOut(SocketChannel client, ControlLine line) {
        switch (line.name()) {
            case ControlLine.MARK -> {
                long mark = line.mark();
                own(client);
                disk.mark(mark);
                return "ok oldest=" + disk.oldestMark();
            }
            case ControlLine.DROP -> {
                long mark = line.mark();
                own(client);
                disk.drop(mark);
                return "ok";
            }
            case ControlLine.ROLLBACK -> {
                long mark = line.mark();
                own(client);
                int blocks = disk.rollback(mark);
                flusher.flush((cookie, failure) -> { }, 0);
                return "ok blocks=" + blocks;
            }
            case ControlLine.STATUS -> {
                line.requireWords(1, 1);
                return status();
            }
            case ControlLine.INJECT -> {
                inject(line);
                return "ok";
            }
            case ControlLine.CLEAR_FAULTS -> {
                line.requireWords(1, 1);
                disk.faults().clear();
                return "ok";
            }
            default -> throw line.bad();
        }
    }

    private void inject(ControlLine line) {
        String kind = line.kind();
        long offset = line.offset();
        long length = line.length();
        if (length == 0 || offset >= disk.sizeBytes() || length > disk.sizeBytes() - offset) {
            throw new IllegalArgumentException(
                    "bytes " + offset + ".." + length + " are not on a disk of " + disk.sizeBytes() + " bytes");
        }
        Map<String, Long> parameters;
        switch (kind) {
            case ControlLine.READ_ERROR -> {
                parameters = line.parameters("count");
                disk.faults().failReads(offset, length, times(parameters));
            }
            case ControlLine.CORRUPT_READ -> {
                parameters = line.parameters("count", "seed");
                disk.faults().corruptReads(offset, length, times(parameters), parameters.getOrDefault("seed", 0L));
            }
            default -> throw line.bad();
        }
    }

    private static long times(Map<String, Long> parameters) {
        long times = parameters.getOrDefault("count", 1L);
        if (times == 0) {
            throw new IllegalArgumentException("count must be more than 0");
        }
        return times;
    }

    private String status() {
        return "ok size=" + disk.sizeBytes() + " undo_bytes=" + disk.undoBytes() + " errors=" + messages.total()
                + " faults=" + disk.faults().injected() + " faults_pending=" + disk.faults().pending()
                + " marks=" + disk.marks().stream().map(String::valueOf).collect(Collectors.joining(","));
    }

    private synchronized void own(SocketChannel client) {
        if (owner == null) {
            owner = client;
        }
        if (owner != client) {
            throw new IllegalArgumentException("another client owns the marks");
        }
    }

    private synchronized void release(SocketChannel client) {
        if (owner == client) {
            disk.dropAll();
            owner = null;
        }
    }
}
