// SPDX-License-Identifier: Apache-2.0
package io.backstep.target.vm;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;

/**
 * A disk image in QEMU's format (qcow2, version 2) that holds nothing but one internal snapshot with a machine's state:
 * the one form in which a running QEMU takes a state back. The layout is that of QEMU's docs/interop/qcow2.txt, head
 * and tail of the stream those of its migration format: after the magic and the version comes a section that names the
 * machine, and after the end a description.
 */
final class SnapshotImage {
    static final String TAG = "backstep";

    private static final int CLUSTER_BITS = 16;
    private static final int CLUSTER = 1 << CLUSTER_BITS;
    private static final int ENTRIES = CLUSTER / Long.BYTES; // of a table that fills a cluster
    private static final int REFCOUNTS = CLUSTER / Short.BYTES; // of a block
    private static final long COPIED = 1L << 63;
    private static final int DISK_BYTES = CLUSTER; // so that the state begins where the second table of clusters does

    private static final int REFCOUNT_TABLE = 1;
    private static final int REFCOUNT_BLOCK = 2;
    private static final int L1_TABLE = 3;
    private static final int SNAPSHOTS = 4;
    private static final int SNAPSHOT_L1 = 5;
    private static final int SNAPSHOT_L2 = 6;
    private static final int DATA = 7;

    private static final int STREAM_HEAD = 8;
    private static final byte CONFIGURATION = 7;
    private static final byte DESCRIPTION = 6; // of the stream, behind its end; ours tells nothing
    private static final byte[] NO_DESCRIPTION = "{}".getBytes(StandardCharsets.US_ASCII);

    private SnapshotImage() {
    }

    /**
     * Writes an image.
     *
     * @param stream as QEMU saved it
     * @param machine the type of the machine, such as "pc-q35-7.2"
     * @throws IOException it cannot be written, or the state is longer than an image of this form holds
     */
    static void write(Path file, ByteBuffer stream, String machine) throws IOException {
        byte[] name = machine.getBytes(StandardCharsets.US_ASCII);
        ByteBuffer section = ByteBuffer.allocate(1 + Integer.BYTES + name.length)
                .put(CONFIGURATION).putInt(name.length).put(name).flip();
        ByteBuffer description = ByteBuffer.allocate(1 + Integer.BYTES + NO_DESCRIPTION.length)
                .put(DESCRIPTION).putInt(NO_DESCRIPTION.length).put(NO_DESCRIPTION).flip();
        long length = (long) stream.remaining() + section.remaining() + description.remaining();
        int clusters = Math.toIntExact((length + CLUSTER - 1) / CLUSTER);
        if (clusters > Math.min(ENTRIES, REFCOUNTS - DATA)) {
            throw new IOException("the state of devices has " + length + " bytes, too many for an image");
        }
        try (FileChannel out = FileChannel.open(file, StandardOpenOption.CREATE, StandardOpenOption.WRITE,
                StandardOpenOption.TRUNCATE_EXISTING)) {
            put(out, 0, header());
            put(out, REFCOUNT_TABLE, longs(at(REFCOUNT_BLOCK)));
            put(out, REFCOUNT_BLOCK, refcounts(DATA + clusters));
            put(out, SNAPSHOTS, snapshot(length));
            put(out, SNAPSHOT_L1, longs(0, at(SNAPSHOT_L2) | COPIED));
            put(out, SNAPSHOT_L2, dataClusters(clusters));
            ByteBuffer head = stream.slice(stream.position(), STREAM_HEAD);
            ByteBuffer rest = stream.slice(stream.position() + STREAM_HEAD, stream.remaining() - STREAM_HEAD);
            long where = at(DATA);
            for (ByteBuffer part : new ByteBuffer[] {head, section, rest, description}) {
                where += write(out, where, part);
            }
            write(out, at(DATA + clusters) - 1, ByteBuffer.allocate(1)); // whole clusters
        }
    }

    private static long at(int cluster) {
        return (long) cluster << CLUSTER_BITS;
    }

    private static void put(FileChannel out, int cluster, ByteBuffer bytes) throws IOException {
        write(out, at(cluster), bytes);
    }

    private static int write(FileChannel out, long at, ByteBuffer bytes) throws IOException {
        int length = bytes.remaining();
        for (long where = at; bytes.hasRemaining();) {
            where += out.write(bytes, where);
        }
        return length;
    }

    private static ByteBuffer header() {
        return ByteBuffer.allocate(72)
                .put("QFI".getBytes(StandardCharsets.US_ASCII)).put((byte) 0xfb)
                .putInt(2)
                .putLong(0).putInt(0) // no backing file
                .putInt(CLUSTER_BITS)
                .putLong(DISK_BYTES)
                .putInt(0) // not encrypted
                .putInt(2).putLong(at(L1_TABLE))
                .putLong(at(REFCOUNT_TABLE)).putInt(1)
                .putInt(1).putLong(at(SNAPSHOTS))
                .flip();
    }

    private static ByteBuffer refcounts(int clusters) {
        ByteBuffer counts = ByteBuffer.allocate(clusters * Short.BYTES);
        while (counts.hasRemaining()) {
            counts.putShort((short) 1);
        }
        return counts.flip();
    }

    private static ByteBuffer snapshot(long stateBytes) {
        byte[] tag = TAG.getBytes(StandardCharsets.US_ASCII);
        return ByteBuffer.allocate(CLUSTER)
                .putLong(at(SNAPSHOT_L1)).putInt(2)
                .putShort((short) 1).putShort((short) tag.length)
                .putInt(0).putInt(0).putLong(0) // no date, no clock
                .putInt(0).putInt(2 * Long.BYTES) // the length follows, as a long
                .putLong(stateBytes).putLong(DISK_BYTES)
                .put((byte) '1').put(tag)
                .flip();
    }

    private static ByteBuffer dataClusters(int count) {
        ByteBuffer entries = ByteBuffer.allocate(count * Long.BYTES);
        for (int i = 0; i < count; i++) {
            entries.putLong(at(DATA + i) | COPIED);
        }
        return entries.flip();
    }

    private static ByteBuffer longs(long... values) {
        ByteBuffer bytes = ByteBuffer.allocate(values.length * Long.BYTES);
        for (long value : values) {
            bytes.putLong(value);
        }
        return bytes.flip();
    }
}
