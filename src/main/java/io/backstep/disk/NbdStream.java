// SPDX-License-Identifier: Apache-2.0
package io.backstep.disk;

import java.io.EOFException;
import java.io.IOException;
import java.net.StandardSocketOptions;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;

import org.agrona.BufferUtil;

/**
 * A blocking socket with a buffer on either side. One thread reads; who writes holds this object's monitor. What is
 * written goes out when the reader has to wait, so that answers to several requests travel together.
 */
final class NbdStream implements AutoCloseable {
    private static final int BUFFER_BYTES = Disk.PIECE_BYTES + 4096;
    private static final int SOCKET_BYTES = 1 << 20;

    private final SocketChannel channel;
    private final ByteBuffer in = ByteBuffer.allocateDirect(BUFFER_BYTES).limit(0);
    private final ByteBuffer out = ByteBuffer.allocateDirect(BUFFER_BYTES);

    NbdStream(SocketChannel channel) throws IOException {
        this.channel = channel;
        channel.setOption(StandardSocketOptions.SO_SNDBUF, SOCKET_BYTES);
    }

    /** What has come and was not taken. */
    ByteBuffer in() {
        return in;
    }

    /**
     * Waits until so many bytes have come.
     *
     * @throws EOFException the other side has ended
     */
    ByteBuffer await(int count) throws IOException {
        if (in.remaining() < count) {
            flush();
            in.compact();
            try {
                while (in.position() < count) {
                    if (channel.read(in) < 0) {
                        throw new EOFException("the connection has ended");
                    }
                }
            } finally {
                in.flip();
            }
        }
        return in;
    }

    /** Takes bytes away that nobody wants. */
    void skip(long count) throws IOException {
        for (long left = count; left > 0;) {
            int some = (int) Math.min(left, Disk.PIECE_BYTES);
            await(some);
            in.position(in.position() + some);
            left -= some;
        }
    }

    /** Where to write, with room for so many bytes. The caller holds the monitor. */
    ByteBuffer out(int count) throws IOException {
        if (out.remaining() < count) {
            flush();
        }
        return out;
    }

    synchronized void flush() throws IOException {
        out.flip();
        try {
            while (out.hasRemaining()) {
                channel.write(out);
            }
        } finally {
            out.clear();
        }
    }

    /** Writes a direct buffer, after what was written before. */
    synchronized void send(ByteBuffer from) throws IOException {
        flush();
        while (from.hasRemaining()) {
            channel.write(from);
        }
    }

    /** Fills a direct buffer with what has come and what comes. */
    void receive(ByteBuffer into) throws IOException {
        int count = Math.min(in.remaining(), into.remaining());
        into.put(into.position(), in, in.position(), count).position(into.position() + count);
        in.position(in.position() + count);
        while (into.hasRemaining()) {
            if (channel.read(into) < 0) {
                throw new EOFException("the connection has ended");
            }
        }
    }

    /** Ends the waiting of whoever reads or writes; may be called from any thread. */
    void disconnect() throws IOException {
        channel.close();
    }

    /** Called by the reader, when nobody writes any more. */
    @Override
    public void close() throws IOException {
        channel.close();
        BufferUtil.free(in);
        BufferUtil.free(out);
    }
}
