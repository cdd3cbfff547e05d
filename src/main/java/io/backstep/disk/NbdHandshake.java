// SPDX-License-Identifier: Apache-2.0
package io.backstep.disk;

import java.io.IOException;
import java.net.ProtocolException;
import java.nio.ByteBuffer;

/** The server's side of the talk that begins a connection, by which a client chooses the one disk that is served. */
final class NbdHandshake {
    private static final int OPTION_DATA_LIMIT = 8192;

    private final NbdStream stream;
    private final long diskBytes;
    private final int exportFlags;
    private boolean withoutPadding;
    private boolean isStructured;

    NbdHandshake(NbdStream stream, Disk disk) {
        this.stream = stream;
        diskBytes = disk.sizeBytes();
        exportFlags = Nbd.HAS_FLAGS | Nbd.SEND_FLUSH | Nbd.SEND_FUA
                | (disk.isReadOnly() ? Nbd.READ_ONLY : Nbd.SEND_TRIM | Nbd.SEND_WRITE_ZEROES);
    }

    /** Does the client understand structured replies? */
    boolean isStructured() {
        return isStructured;
    }

    /**
     * Talks until the client has chosen.
     *
     * @return false if it wants nothing more
     * @throws ProtocolException it does not speak NBD
     */
    boolean run() throws IOException {
        synchronized (stream) {
            stream.out(Long.BYTES * 2 + Short.BYTES).putLong(Nbd.GREETING).putLong(Nbd.OPTION_MAGIC)
                    .putShort((short) (Nbd.FIXED_NEWSTYLE | Nbd.NO_ZEROES));
        }
        int flags = stream.await(Integer.BYTES).getInt();
        if ((flags & Nbd.FIXED_NEWSTYLE) == 0 || (flags & ~(Nbd.FIXED_NEWSTYLE | Nbd.NO_ZEROES)) != 0) {
            throw new ProtocolException("client flags " + flags);
        }
        withoutPadding = (flags & Nbd.NO_ZEROES) != 0;
        while (true) {
            ByteBuffer header = stream.await(Nbd.OPTION_HEADER_BYTES);
            if (header.getLong() != Nbd.OPTION_MAGIC) {
                throw new ProtocolException("no option where one belongs");
            }
            int option = header.getInt();
            int length = header.getInt();
            if (length < 0 || length > OPTION_DATA_LIMIT) {
                throw new ProtocolException("an option of " + (length & 0xffffffffL) + " bytes");
            }
            stream.await(length);
            byte[] data = new byte[length];
            stream.in().get(data);
            switch (option) {
                case Nbd.OPTION_EXPORT_NAME -> {
                    return chooseByName(data);
                }
                case Nbd.OPTION_ABORT -> {
                    reply(option, Nbd.REPLY_ACK, 0);
                    stream.flush();
                    return false;
                }
                case Nbd.OPTION_GO -> {
                    if (tell(option, data)) {
                        return true;
                    }
                }
                default -> answer(option, data);
            }
        }
    }

    private void answer(int option, byte[] data) throws IOException {
        switch (option) {
            case Nbd.OPTION_INFO -> tell(option, data);
            case Nbd.OPTION_LIST -> {
                if (data.length > 0) {
                    reply(option, Nbd.REPLY_INVALID, 0);
                } else {
                    synchronized (stream) {
                        reply(option, Nbd.REPLY_SERVER, Integer.BYTES).putInt(0);
                        reply(option, Nbd.REPLY_ACK, 0);
                    }
                }
            }
            case Nbd.OPTION_STRUCTURED_REPLY -> {
                isStructured |= data.length == 0;
                reply(option, data.length == 0 ? Nbd.REPLY_ACK : Nbd.REPLY_INVALID, 0);
            }
            default -> reply(option, Nbd.REPLY_UNSUPPORTED, 0);
        }
    }

    /** The old way to choose, which knows no refusal but an end. Our disk's name is empty. */
    private boolean chooseByName(byte[] name) throws IOException {
        if (name.length > 0) {
            return false;
        }
        int padding = withoutPadding ? 0 : Nbd.EXPORT_PADDING_BYTES;
        synchronized (stream) {
            stream.out(Long.BYTES + Short.BYTES + padding).putLong(diskBytes).putShort((short) exportFlags)
                    .put(new byte[padding]);
        }
        return true;
    }

    /** Tells what the disk is like, if asked for by its name: length and text, count and kinds of information. */
    private boolean tell(int option, byte[] data) throws IOException {
        ByteBuffer asked = ByteBuffer.wrap(data);
        long nameBytes = data.length < Integer.BYTES ? -1 : asked.getInt();
        boolean isWhole = nameBytes >= 0 && asked.remaining() >= nameBytes + Short.BYTES
                && (asked.getShort(Integer.BYTES + (int) nameBytes) & 0xffff) * Short.BYTES
                        == asked.remaining() - nameBytes - Short.BYTES;
        if (!isWhole || nameBytes > 0) {
            reply(option, isWhole ? Nbd.REPLY_UNKNOWN : Nbd.REPLY_INVALID, 0);
            return false;
        }
        synchronized (stream) {
            reply(option, Nbd.REPLY_INFO, Nbd.EXPORT_INFO_BYTES)
                    .putShort((short) Nbd.INFO_EXPORT).putLong(diskBytes).putShort((short) exportFlags);
            reply(option, Nbd.REPLY_INFO, Short.BYTES + 3 * Integer.BYTES)
                    .putShort((short) Nbd.INFO_BLOCK_SIZE).putInt(1).putInt(Blocks.BYTES).putInt(Nbd.DATA_LIMIT_BYTES);
            reply(option, Nbd.REPLY_ACK, 0);
        }
        return true;
    }

    private ByteBuffer reply(int option, int type, int length) throws IOException {
        synchronized (stream) {
            return stream.out(Nbd.REPLY_HEADER_BYTES + length)
                    .putLong(Nbd.OPTION_REPLY_MAGIC).putInt(option).putInt(type).putInt(length);
        }
    }
}
