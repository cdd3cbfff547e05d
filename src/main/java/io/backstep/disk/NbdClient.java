// SPDX-License-Identifier: Apache-2.0
package io.backstep.disk;

import java.io.IOException;
import java.net.ProtocolException;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;

import org.agrona.CloseHelper;

/**
 * A client of an NBD server, which does one thing after the other. Thread-safe. When the connection is lost or what
 * comes is not understood, everything fails from then on.
 */
final class NbdClient implements AutoCloseable {
    private static final int REPLY_DATA_LIMIT = 4096;

    private final NbdStream stream;
    private long sizeBytes;
    private int exportFlags;
    private long lastCookie;
    private String failure;

    /**
     * Chooses the server's disk of an empty name.
     *
     * @throws IOException the server does not speak NBD or has no such disk; the channel is closed
     */
    NbdClient(SocketChannel channel) throws IOException {
        stream = new NbdStream(channel);
        try {
            choose();
        } catch (IOException e) {
            stream.close();
            throw e;
        }
    }

    private void choose() throws IOException {
        ByteBuffer greeting = stream.await(2 * Long.BYTES + Short.BYTES);
        if (greeting.getLong() != Nbd.GREETING || greeting.getLong() != Nbd.OPTION_MAGIC
                || (greeting.getShort() & Nbd.FIXED_NEWSTYLE) == 0) {
            throw new ProtocolException("no NBD server that we understand");
        }
        int nameAndKinds = Integer.BYTES + Short.BYTES;
        synchronized (stream) {
            stream.out(Integer.BYTES + Nbd.OPTION_HEADER_BYTES + nameAndKinds).putInt(Nbd.FIXED_NEWSTYLE)
                    .putLong(Nbd.OPTION_MAGIC).putInt(Nbd.OPTION_GO).putInt(nameAndKinds).putInt(0).putShort((short) 0);
        }
        while (true) {
            ByteBuffer reply = stream.await(Nbd.REPLY_HEADER_BYTES);
            boolean isReply = reply.getLong() == Nbd.OPTION_REPLY_MAGIC && reply.getInt() == Nbd.OPTION_GO;
            int type = reply.getInt();
            int length = reply.getInt();
            if (!isReply || length < 0 || length > REPLY_DATA_LIMIT) {
                throw new ProtocolException("no reply where one belongs");
            }
            ByteBuffer data = stream.await(length);
            int end = data.position() + length;
            if (type == Nbd.REPLY_INFO && length == Nbd.EXPORT_INFO_BYTES && data.getShort() == Nbd.INFO_EXPORT) {
                sizeBytes = data.getLong();
                exportFlags = data.getShort();
            }
            data.position(end);
            if (type == Nbd.REPLY_ACK) {
                return;
            }
            if (type != Nbd.REPLY_INFO) {
                throw new ProtocolException("the NBD server has no disk for us");
            }
        }
    }

    long sizeBytes() {
        return sizeBytes;
    }

    boolean offers(int flag) {
        return (exportFlags & flag) != 0;
    }

    void read(ByteBuffer into, long offset) throws IOException {
        request(Nbd.READ, 0, offset, into.remaining(), null, into);
    }

    void write(ByteBuffer from, long offset) throws IOException {
        request(Nbd.WRITE, 0, offset, from.remaining(), from, null);
    }

    /** Anything that moves no data. */
    void request(int type, int flags, long offset, long length) throws IOException {
        request(type, flags, offset, length, null, null);
    }

    private synchronized void request(int type, int flags, long offset, long length, ByteBuffer from, ByteBuffer into)
            throws IOException {
        if (failure != null) {
            throw new IOException(failure);
        }
        int error;
        try {
            send(type, flags, offset, length);
            if (from != null) {
                stream.send(from);
            }
            error = awaitReply();
            if (error == 0 && into != null) {
                stream.receive(into);
            }
        } catch (IOException e) {
            failure = "the image's server is lost: " + e.getMessage();
            CloseHelper.quietClose(stream::disconnect);
            throw new IOException(failure, e);
        }
        if (error != 0) {
            throw new IOException("the image's server reports "
                    + (error == Nbd.ENOSPC ? "No space left on device" : "error " + error));
        }
    }

    private void send(int type, int flags, long offset, long length) throws IOException {
        synchronized (stream) {
            stream.out(Nbd.REQUEST_BYTES).putInt(Nbd.REQUEST_MAGIC).putShort((short) flags).putShort((short) type)
                    .putLong(++lastCookie).putLong(offset).putInt((int) length);
        }
    }

    private int awaitReply() throws IOException {
        ByteBuffer reply = stream.await(Nbd.SIMPLE_REPLY_BYTES);
        boolean isReply = reply.getInt() == Nbd.SIMPLE_REPLY_MAGIC;
        int error = reply.getInt();
        if (!isReply || reply.getLong() != lastCookie) {
            throw new ProtocolException("no reply where one belongs");
        }
        return error;
    }

    /** Says goodbye. */
    @Override
    public synchronized void close() throws IOException {
        try {
            if (failure == null) {
                send(Nbd.DISCONNECT, 0, 0, 0);
                stream.flush();
            }
        } catch (IOException e) {
            // the server has ended before us
        } finally {
            failure = "the connection was closed";
            stream.close();
        }
    }
}
