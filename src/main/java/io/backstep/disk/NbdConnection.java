// SPDX-License-Identifier: Apache-2.0
package io.backstep.disk;

import java.io.EOFException;
import java.io.IOException;
import java.net.ProtocolException;
import java.nio.ByteBuffer;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.SocketChannel;
import java.util.concurrent.Semaphore;

/**
 * A client of the disk, served by a thread of its own: what is asked for is done at once, in order. Only what must
 * reach stable storage is left to the {@link Flusher}, and answered when that is done; requests behind it do not wait.
 */
final class NbdConnection implements Flusher.Waiter {
    /** How many flushes may wait. */
    private static final int FLUSH_LIMIT = 64;

    private final NbdStream stream;
    private final Disk disk;
    private final Flusher flusher;
    private final Messages messages;
    private final Semaphore flushes = new Semaphore(FLUSH_LIMIT);
    private boolean isStructured;

    NbdConnection(SocketChannel channel, Disk disk, Flusher flusher, Messages messages) throws IOException {
        stream = new NbdStream(channel);
        this.disk = disk;
        this.flusher = flusher;
        this.messages = messages;
    }

    /** Serves until the client ends, does what it must not, or the connection is ended by {@link #disconnect}. */
    void serve() {
        try (stream) {
            try {
                NbdHandshake handshake = new NbdHandshake(stream, disk);
                if (handshake.run()) {
                    isStructured = handshake.isStructured();
                    while (serveOne()) {
                        // the next one
                    }
                }
            } finally {
                flushes.acquireUninterruptibly(FLUSH_LIMIT);
            }
            stream.flush();
        } catch (ProtocolException e) {
            messages.tell("a client was sent away: " + e.getMessage());
        } catch (EOFException | ClosedChannelException e) {
            // it has ended
        } catch (IOException e) {
            messages.tell("a client was lost: " + e.getMessage());
        }
    }

    void disconnect() throws IOException {
        stream.disconnect();
    }

    private boolean serveOne() throws IOException {
        ByteBuffer header = stream.await(Nbd.REQUEST_BYTES);
        if (header.getInt() != Nbd.REQUEST_MAGIC) {
            throw new ProtocolException("no request where one belongs");
        }
        int flags = header.getShort() & 0xffff;
        int type = header.getShort() & 0xffff;
        long cookie = header.getLong();
        long offset = header.getLong();
        long length = header.getInt() & 0xffffffffL;
        switch (type) {
            case Nbd.READ -> read(flags, cookie, offset, length);
            case Nbd.WRITE -> write(flags, cookie, offset, length);
            case Nbd.DISCONNECT -> {
                return false;
            }
            case Nbd.FLUSH -> {
                if (flags == 0) {
                    flush(cookie);
                } else {
                    done(cookie, Nbd.EINVAL);
                }
            }
            case Nbd.TRIM, Nbd.WRITE_ZEROES -> clear(type, flags, cookie, offset, length);
            default -> done(cookie, Nbd.EINVAL);
        }
        return true;
    }

    private boolean isInside(long offset, long length) {
        return offset >= 0 && length <= disk.sizeBytes() && offset <= disk.sizeBytes() - length;
    }

    private void read(int flags, long cookie, long offset, long length) throws IOException {
        if (flags != 0 && flags != Nbd.FUA || length > Nbd.DATA_LIMIT_BYTES || !isInside(offset, length)) {
            done(cookie, Nbd.EINVAL);
        } else if (length == 0) {
            done(cookie, 0);
        } else if (isStructured) {
            readInChunks(cookie, offset, length);
        } else {
            readInOne(cookie, offset, length);
        }
    }

    private void readInChunks(long cookie, long offset, long length) throws IOException {
        for (long at = offset, end = offset + length; at < end;) {
            int piece = (int) Math.min(end - at, Disk.PIECE_BYTES);
            int headBytes = Nbd.CHUNK_BYTES + Long.BYTES;
            synchronized (stream) {
                ByteBuffer out = stream.out(headBytes + piece);
                int start = out.position();
                out.putInt(Nbd.CHUNK_MAGIC).putShort((short) (at + piece == end ? Nbd.CHUNK_DONE : 0))
                        .putShort((short) Nbd.CHUNK_DATA).putLong(cookie).putInt(Long.BYTES + piece).putLong(at);
                int error = readPiece(out, at, piece);
                if (error != 0) {
                    out.position(start);
                    done(cookie, error);
                    return;
                }
            }
            at += piece;
        }
    }

    /** An answer of the simple kind: once its head is gone, an error can only be told by ending the connection. */
    private void readInOne(long cookie, long offset, long length) throws IOException {
        for (long at = offset, end = offset + length; at < end;) {
            int piece = (int) Math.min(end - at, Disk.PIECE_BYTES);
            synchronized (stream) {
                ByteBuffer out = stream.out(Nbd.SIMPLE_REPLY_BYTES + piece);
                int start = out.position();
                if (at == offset) {
                    out.putInt(Nbd.SIMPLE_REPLY_MAGIC).putInt(0).putLong(cookie);
                }
                int error = readPiece(out, at, piece);
                if (error != 0) {
                    out.position(start);
                    if (at > offset) {
                        throw new EOFException("a read failed in its midst");
                    }
                    done(cookie, error);
                    return;
                }
            }
            at += piece;
        }
    }

    private int readPiece(ByteBuffer out, long offset, int length) {
        try {
            disk.read(out.limit(out.position() + length), offset);
            return 0;
        } catch (IOException e) {
            return errorOf(e);
        } finally {
            out.limit(out.capacity());
        }
    }

    private void write(int flags, long cookie, long offset, long length) throws IOException {
        if (length > Nbd.DATA_LIMIT_BYTES) {
            throw new ProtocolException("a write of " + length + " bytes");
        }
        int error = disk.isReadOnly() ? Nbd.EPERM : !isInside(offset, length) ? Nbd.ENOSPC
                : (flags & ~Nbd.FUA) != 0 ? Nbd.EINVAL : 0;
        long left = length;
        while (left > 0 && error == 0) {
            long at = offset + length - left;
            int piece = (int) Math.min(left, Disk.PIECE_BYTES - at % Blocks.BYTES);
            error = writePiece(stream.await(piece), at, piece);
            left -= piece;
        }
        stream.skip(left);
        finish(flags, cookie, error);
    }

    private int writePiece(ByteBuffer in, long offset, int length) {
        int limit = in.limit();
        int next = in.position() + length;
        try {
            disk.write(in.limit(next), offset);
            return 0;
        } catch (IOException e) {
            return errorOf(e);
        } finally {
            in.limit(limit).position(next);
        }
    }

    private void clear(int type, int flags, long cookie, long offset, long length) throws IOException {
        int known = type == Nbd.TRIM ? Nbd.FUA : Nbd.FUA | Nbd.NO_HOLE;
        int error = disk.isReadOnly() ? Nbd.EPERM : (flags & ~known) != 0 ? Nbd.EINVAL
                : !isInside(offset, length) ? type == Nbd.TRIM ? Nbd.EINVAL : Nbd.ENOSPC : 0;
        if (error == 0) {
            stream.flush(); // it may take a while
            try {
                if (type == Nbd.TRIM) {
                    disk.discard(offset, length);
                } else {
                    disk.zero(offset, length, (flags & Nbd.NO_HOLE) == 0);
                }
            } catch (IOException e) {
                error = errorOf(e);
            }
        }
        finish(flags, cookie, error);
    }

    private void finish(int flags, long cookie, int error) throws IOException {
        if (error == 0 && (flags & Nbd.FUA) != 0) {
            flush(cookie);
        } else {
            done(cookie, error);
        }
    }

    private void flush(long cookie) {
        flushes.acquireUninterruptibly();
        flusher.flush(this, cookie);
    }

    @Override
    public void flushed(long cookie, IOException failure) {
        try {
            synchronized (stream) {
                done(cookie, failure == null ? 0 : errorOf(failure));
                stream.flush();
            }
        } catch (IOException e) {
            // the reader finds the connection ended, too
        } finally {
            flushes.release();
        }
    }

    private int errorOf(IOException e) {
        messages.tell("a request failed: " + e.getMessage());
        return String.valueOf(e.getMessage()).contains("No space left") ? Nbd.ENOSPC : Nbd.EIO;
    }

    private void done(long cookie, int error) throws IOException {
        synchronized (stream) {
            if (!isStructured) {
                stream.out(Nbd.SIMPLE_REPLY_BYTES).putInt(Nbd.SIMPLE_REPLY_MAGIC).putInt(error).putLong(cookie);
                return;
            }
            int payload = error == 0 ? 0 : Integer.BYTES + Short.BYTES;
            ByteBuffer out = stream.out(Nbd.CHUNK_BYTES + payload)
                    .putInt(Nbd.CHUNK_MAGIC).putShort((short) Nbd.CHUNK_DONE)
                    .putShort((short) (error == 0 ? Nbd.CHUNK_NONE : Nbd.CHUNK_ERROR)).putLong(cookie).putInt(payload);
            if (error != 0) {
                out.putInt(error).putShort((short) 0);
            }
        }
    }
}
