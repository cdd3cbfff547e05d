// SPDX-License-Identifier: Apache-2.0
package io.backstep.disk;

/** The numbers of the NBD protocol, as far as they are used here. All are big-endian on the wire. */
final class Nbd {
    static final long GREETING = 0x4e42444d41474943L;
    static final long OPTION_MAGIC = 0x49484156454f5054L;
    static final long OPTION_REPLY_MAGIC = 0x3e889045565a9L;
    static final int REQUEST_MAGIC = 0x25609513;
    static final int SIMPLE_REPLY_MAGIC = 0x67446698;
    static final int CHUNK_MAGIC = 0x668e33ef;

    /** Of the greeting and of the client's answer to it. */
    static final int FIXED_NEWSTYLE = 1;
    static final int NO_ZEROES = 2;

    static final int OPTION_EXPORT_NAME = 1;
    static final int OPTION_ABORT = 2;
    static final int OPTION_LIST = 3;
    static final int OPTION_INFO = 6;
    static final int OPTION_GO = 7;
    static final int OPTION_STRUCTURED_REPLY = 8;

    static final int REPLY_ACK = 1;
    static final int REPLY_SERVER = 2;
    static final int REPLY_INFO = 3;
    static final int REPLY_UNSUPPORTED = 1 << 31 | 1;
    static final int REPLY_INVALID = 1 << 31 | 3;
    static final int REPLY_UNKNOWN = 1 << 31 | 6;

    static final int INFO_EXPORT = 0;
    static final int INFO_BLOCK_SIZE = 3;

    /** Of an export. */
    static final int HAS_FLAGS = 1;
    static final int READ_ONLY = 1 << 1;
    static final int SEND_FLUSH = 1 << 2;
    static final int SEND_FUA = 1 << 3;
    static final int SEND_TRIM = 1 << 5;
    static final int SEND_WRITE_ZEROES = 1 << 6;

    static final int READ = 0;
    static final int WRITE = 1;
    static final int DISCONNECT = 2;
    static final int FLUSH = 3;
    static final int TRIM = 4;
    static final int WRITE_ZEROES = 6;

    /** Of a request. */
    static final int FUA = 1;
    static final int NO_HOLE = 2;

    static final int CHUNK_DONE = 1;
    static final int CHUNK_NONE = 0;
    static final int CHUNK_DATA = 1;
    static final int CHUNK_ERROR = 1 << 15 | 1;

    static final int EPERM = 1;
    static final int EIO = 5;
    static final int EINVAL = 22;
    static final int ENOSPC = 28;

    static final int OPTION_HEADER_BYTES = 16;
    static final int REQUEST_BYTES = 28;
    static final int SIMPLE_REPLY_BYTES = 16;
    static final int CHUNK_BYTES = 20;
    static final int REPLY_HEADER_BYTES = 20;
    /** What tells of an export: its kind, the size, the flags. */
    static final int EXPORT_INFO_BYTES = 12;
    /** After the size and the flags of an export, unless both sides do without. */
    static final int EXPORT_PADDING_BYTES = 124;
    /** The most data that a request for reading or writing may ask for. */
    static final int DATA_LIMIT_BYTES = 32 << 20;

    private Nbd() {
    }
}
