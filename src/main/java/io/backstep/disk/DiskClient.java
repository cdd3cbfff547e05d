// SPDX-License-Identifier: Apache-2.0
package io.backstep.disk;

import java.io.IOException;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;

import io.backstep.core.BackstepException;
import io.backstep.core.BackstepException.Reason;
import org.agrona.CloseHelper;

/**
 * A client of a disk's control channel. Who sets a mark owns the marks until this is closed; then they are dropped.
 * What is asked for can be sent first and its answer collected later, in the order in which it was sent. Waits for an
 * answer for a limited time; after a failure to get one nothing more can be asked. Not thread-safe.
 */
public final class DiskClient implements AutoCloseable {
    private static final long ANSWER_LIMIT_NS = 10_000_000_000L;
    private static final long ROLLBACK_LIMIT_NS = 120_000_000_000L;
    private static final long NS_PER_MS = 1_000_000;
    private static final int BUFFER_BYTES = 1 << 16;

    private final Path path;
    private final SocketChannel channel;
    private final Selector selector;
    private final ByteBuffer in = ByteBuffer.allocateDirect(BUFFER_BYTES).limit(0);
    private final ByteBuffer out = ByteBuffer.allocateDirect(BUFFER_BYTES);
    private int answersDue;

    private DiskClient(Path path, SocketChannel channel, Selector selector) throws IOException {
        this.path = path;
        this.channel = channel;
        this.selector = selector;
        channel.configureBlocking(false);
        channel.register(selector, SelectionKey.OP_READ);
    }

    /**
     * Connects to the server of a disk.
     *
     * @param socket where the disk is served; the control channel's path follows from it
     * @throws BackstepException GONE: nobody serves it there
     */
    public static DiskClient connect(Path socket) {
        Path path = controlPath(socket);
        SocketChannel channel = null;
        Selector selector = null;
        try {
            channel = SocketChannel.open(UnixDomainSocketAddress.of(path));
            selector = Selector.open();
            return new DiskClient(path, channel, selector);
        } catch (IOException e) {
            CloseHelper.quietCloseAll(selector, channel);
            throw new BackstepException(Reason.GONE, "no disk is served at " + path + ": " + e.getMessage(), e);
        }
    }

    /** Where the control channel of the disk that is served at a socket is. */
    public static Path controlPath(Path socket) {
        return socket.resolveSibling(socket.getFileName() + DiskServer.CONTROL_SUFFIX);
    }

    /** {@link #sendMark} and {@link #awaitMark}. */
    public long mark(long mark) {
        sendMark(mark);
        return awaitMark();
    }

    /** Asks for a mark: all writes that were answered by now are before it. The answer is collected later. */
    public void sendMark(long mark) {
        send(ControlLine.MARK + " " + mark);
    }

    /**
     * Waits until the mark is set.
     *
     * @return the oldest mark that is kept; older ones may have been dropped for lack of memory
     * @throws BackstepException REFUSED: it was not set
     */
    public long awaitMark() {
        return Long.parseLong(await(ANSWER_LIMIT_NS).get("oldest"));
    }

    /** {@link #sendDrop} and {@link #awaitDrop}. */
    public void drop(long mark) {
        sendDrop(mark);
        awaitDrop();
    }

    /** Asks to forget a mark. The answer is collected later. */
    public void sendDrop(long mark) {
        send(ControlLine.DROP + " " + mark);
    }

    /** Waits until a mark is forgotten. */
    public void awaitDrop() {
        await(ANSWER_LIMIT_NS);
    }

    /**
     * Makes the disk what it was at a mark. The guest must have no request under way. Newer marks are gone then.
     *
     * @return how many blocks of 4096 bytes were put back
     * @throws BackstepException REFUSED: the disk is as it was; BROKEN: it must not be used; GONE: nobody knows
     */
    public long rollback(long mark) {
        send(ControlLine.ROLLBACK + " " + mark);
        return Long.parseLong(await(ROLLBACK_LIMIT_NS).get("blocks"));
    }

    /** How the disk stands, by the names that docs/disk.md lists. */
    public Map<String, String> status() {
        send(ControlLine.STATUS);
        return await(ANSWER_LIMIT_NS);
    }

    /** The next reads of the guest that touch a range of bytes fail. */
    public void injectReadError(long offset, long length, long count) {
        send(ControlLine.INJECT + " " + ControlLine.READ_ERROR + " " + offset + ".." + length + " count=" + count);
        await(ANSWER_LIMIT_NS);
    }

    /** The next reads of the guest that touch a range of bytes get one bit in it inverted. */
    public void injectCorruptRead(long offset, long length, long count, long seed) {
        send(ControlLine.INJECT + " " + ControlLine.CORRUPT_READ + " " + offset + ".." + length + " seed=" + seed
                + " count=" + count);
        await(ANSWER_LIMIT_NS);
    }

    /** Takes back the faults that no read has met yet. */
    public void clearFaults() {
        send(ControlLine.CLEAR_FAULTS);
        await(ANSWER_LIMIT_NS);
    }

    private void send(String request) {
        try {
            out.clear().put(request.getBytes(StandardCharsets.US_ASCII)).put((byte) '\n').flip();
            while (out.hasRemaining()) {
                channel.write(out); // a request is short: that the socket is full does not happen
            }
            answersDue++;
        } catch (IOException e) {
            throw gone(e.getMessage());
        }
    }

    private Map<String, String> await(long limitNs) {
        if (answersDue == 0) {
            throw new IllegalStateException("nothing was asked");
        }
        String line = awaitLine(System.nanoTime() + limitNs);
        answersDue--;
        if (!line.equals("ok") && !line.startsWith("ok ")) {
            throw new BackstepException(line.startsWith("broken ") ? Reason.BROKEN : Reason.REFUSED,
                    "disk at " + path + ": " + line.substring(line.indexOf(' ') + 1));
        }
        Map<String, String> fields = new LinkedHashMap<>();
        for (String word : line.split(" ")) {
            int sign = word.indexOf('=');
            if (sign > 0) {
                fields.put(word.substring(0, sign), word.substring(sign + 1));
            }
        }
        return fields;
    }

    private String awaitLine(long deadlineNs) {
        try {
            while (true) {
                for (int at = in.position(); at < in.limit(); at++) {
                    if (in.get(at) == '\n') {
                        byte[] line = new byte[at - in.position()];
                        in.get(line).get();
                        return new String(line, StandardCharsets.US_ASCII);
                    }
                }
                readMore(deadlineNs);
            }
        } catch (IOException e) {
            throw gone(e.getMessage());
        }
    }

    private void readMore(long deadlineNs) throws IOException {
        long leftMs = (deadlineNs - System.nanoTime()) / NS_PER_MS;
        if (leftMs <= 0) {
            CloseHelper.quietClose(channel); // an answer that comes too late would be taken for another one's
            throw new IOException("no answer in time");
        }
        selector.select(leftMs);
        selector.selectedKeys().clear();
        in.compact();
        try {
            if (channel.read(in) < 0) {
                throw new IOException("the server has ended");
            }
        } finally {
            in.flip();
        }
    }

    private BackstepException gone(String why) {
        return new BackstepException(Reason.GONE, "disk at " + path + ": " + why);
    }

    /** Drops the marks, if this client owns them. */
    @Override
    public void close() {
        CloseHelper.quietCloseAll(selector, channel);
    }
}
