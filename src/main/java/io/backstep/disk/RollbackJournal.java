// SPDX-License-Identifier: Apache-2.0
package io.backstep.disk;

import java.io.EOFException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Set;
import java.util.zip.CRC32C;

import io.backstep.core.BackstepException;
import io.backstep.core.BackstepException.Reason;

/**
 * The file beside an image in which a rollback is written down before it touches the image, so that one that was cut
 * short can be completed. Not thread-safe.
 *
 * <pre>
 *  header, 4096 bytes    0  magic
 *                        8  size of the image in bytes
 *                       16  inode of the image
 *                       24  number of entries, n
 *                       32  checksum (CRC-32C) of the header so far, the entries and the content
 *                       40  1 once the image has the content, if only in the host's memory; else 0
 *                       48  which boot of the host that was, 36 characters
 *  entries, 8 n bytes   block numbers in ascending order, with the highest bit set where the content is zeros
 *  content              of the other blocks, one after the other
 * </pre>
 *
 * All numbers are big-endian. It counts once it is whole and on stable storage, and is removed when the image is: what
 * the image holds at any moment in between can be replaced by it. "Applied" says that no write of the guest that came
 * afterwards may be undone by it. That holds as long as the host's memory does, which the boot tells.
 */
final class RollbackJournal implements AutoCloseable {
    static final String SUFFIX = ".backstep-undo";

    private static final long MAGIC = 0x4253554e444f0001L;
    private static final int HEADER_BYTES = 4096;
    private static final int SIZE_OFFSET = Long.BYTES;
    private static final int INODE_OFFSET = SIZE_OFFSET + Long.BYTES;
    private static final int COUNT_OFFSET = INODE_OFFSET + Long.BYTES;
    private static final int CHECKSUM_OFFSET = COUNT_OFFSET + Long.BYTES;
    private static final int APPLIED_OFFSET = CHECKSUM_OFFSET + Long.BYTES;
    private static final int BOOT_OFFSET = APPLIED_OFFSET + Long.BYTES;
    private static final int BOOT_BYTES = 36;
    private static final Path BOOT_ID = Path.of("/proc/sys/kernel/random/boot_id");

    private final Path path;
    private final long imageInode;
    private final long imageBytes;
    private final ByteBuffer scratch;
    private final CRC32C checksum = new CRC32C();
    private FileChannel channel;
    private volatile boolean isApplied;

    /** @param scratch a direct buffer of some blocks, which is used in calls only */
    RollbackJournal(Path image, long imageBytes, ByteBuffer scratch) throws IOException {
        path = image.resolveSibling(image.getFileName() + SUFFIX);
        imageInode = ((Number) Files.getAttribute(image, "unix:ino")).longValue();
        this.imageBytes = imageBytes;
        this.scratch = scratch;
    }

    Path path() {
        return path;
    }

    /** @throws BackstepException there is a journal: the image may be half of one state and half of another */
    void requireNone() {
        if (Files.exists(path, LinkOption.NOFOLLOW_LINKS)) {
            throw new BackstepException(Reason.UNFIT, path + " is the rest of a rollback that was cut short;"
                    + " serve the image once without --read-only to complete it");
        }
    }

    /** Has the image got what is written down here, but possibly not on stable storage? */
    boolean isApplied() {
        return isApplied;
    }

    /** Writes a rollback down; when this returns it is on stable storage. If it fails, there is no journal. */
    void write(PreImages preImages) throws IOException {
        remove();
        try {
            channel = FileChannel.open(path, Set.of(StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE),
                    PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------")));
            writeAll(preImages);
            channel.force(true);
            syncDirectory();
        } catch (IOException e) {
            try {
                remove();
            } catch (IOException suppressed) {
                e.addSuppressed(suppressed);
            }
            throw e;
        }
    }

    private void writeAll(PreImages preImages) throws IOException {
        ByteBuffer header = ByteBuffer.allocate(HEADER_BYTES)
                .putLong(MAGIC).putLong(imageBytes).putLong(imageInode).putLong(preImages.count());
        checksum.reset();
        checksum.update(header.array(), 0, CHECKSUM_OFFSET);
        long at = HEADER_BYTES;
        scratch.clear();
        for (int index = 0; index < preImages.count(); index++) {
            if (scratch.remaining() < Long.BYTES) {
                at += writeScratch(at);
            }
            scratch.putLong(preImages.entry(index));
        }
        for (int index = 0; index < preImages.count(); index++) {
            if (!preImages.isZero(index)) {
                int length = Blocks.length(preImages.block(index), imageBytes);
                if (scratch.remaining() < length) {
                    at += writeScratch(at);
                }
                scratch.limit(scratch.position() + length);
                preImages.read(index, scratch);
                scratch.limit(scratch.capacity());
            }
        }
        writeScratch(at);
        header.putLong(checksum.getValue()).putLong(0).put(bootId());
        writeFully(header.clear(), 0);
    }

    private int writeScratch(long at) throws IOException {
        scratch.flip();
        checksum.update(scratch.duplicate());
        int count = scratch.remaining();
        writeFully(scratch, at);
        scratch.clear();
        return count;
    }

    private void writeFully(ByteBuffer from, long offset) throws IOException {
        for (long at = offset; from.hasRemaining();) {
            at += channel.write(from, at);
        }
    }

    /** The image has the content: as long as the host runs, this journal must not be applied again. */
    void applied() throws IOException {
        writeFully(ByteBuffer.allocate(Long.BYTES).putLong(1).flip(), APPLIED_OFFSET);
        isApplied = true;
    }

    /** Removes the journal, if there is one, from stable storage too. */
    void remove() throws IOException {
        isApplied = false;
        if (channel != null) {
            channel.close();
            channel = null;
        }
        if (Files.deleteIfExists(path)) {
            syncDirectory();
        }
    }

    private void syncDirectory() throws IOException {
        try (FileChannel directory = FileChannel.open(path.toAbsolutePath().getParent(), StandardOpenOption.READ)) {
            directory.force(true);
        }
    }

    /**
     * Completes a rollback that was cut short: applies a whole journal, flushes the image, and removes the journal.
     * One that is not whole never touched the image.
     *
     * @return whether the image was given the journal's content
     * @throws BackstepException the journal is not of this image
     */
    boolean recover(Image image) throws IOException {
        if (!Files.exists(path, LinkOption.NOFOLLOW_LINKS)) {
            return false;
        }
        boolean isDone = false;
        try (FileChannel file = FileChannel.open(path, StandardOpenOption.READ)) {
            ByteBuffer header = ByteBuffer.allocate(HEADER_BYTES);
            PreImages whole = readFully(file, header, 0) ? readIfWhole(file, header) : null;
            if (whole != null && !(image.outlivesUs() && isOfThisBoot(header) && header.getLong(APPLIED_OFFSET) == 1)) {
                whole.applyTo(image, scratch);
                isDone = true;
            }
        }
        image.flush();
        remove();
        return isDone;
    }

    private PreImages readIfWhole(FileChannel file, ByteBuffer header) throws IOException {
        if (header.getLong(0) != MAGIC) {
            return null; // the header is written last
        }
        if (header.getLong(SIZE_OFFSET) != imageBytes || header.getLong(INODE_OFFSET) != imageInode) {
            throw new BackstepException(Reason.UNFIT, path + " is the rest of a rollback of another image;"
                    + " if the image was replaced on purpose, remove it");
        }
        long count = header.getLong(COUNT_OFFSET);
        if (count < 0 || count > Blocks.of(imageBytes) + 1 || HEADER_BYTES + count * Long.BYTES > file.size()) {
            return null;
        }
        checksum.reset();
        checksum.update(header.array(), 0, CHECKSUM_OFFSET);
        long[] entries = new long[(int) count];
        ByteBuffer entryBytes = ByteBuffer.allocate(Long.BYTES * entries.length);
        readFully(file, entryBytes, HEADER_BYTES);
        checksum.update(entryBytes.flip().duplicate());
        entryBytes.asLongBuffer().get(entries);
        long contentOffset = HEADER_BYTES + count * Long.BYTES;
        for (long at = contentOffset; at < file.size(); at += scratch.limit()) {
            scratch.clear().limit((int) Math.min(scratch.capacity(), file.size() - at));
            readFully(file, scratch, at);
            checksum.update(scratch.flip().duplicate());
        }
        if (checksum.getValue() != header.getLong(CHECKSUM_OFFSET)) {
            return null;
        }
        long[] next = {contentOffset};
        return new PreImages(entries, (block, into) -> {
            int length = into.remaining();
            if (!readFully(file, into, next[0])) {
                throw new EOFException(path + " became shorter");
            }
            next[0] += length;
        });
    }

    private static boolean isOfThisBoot(ByteBuffer header) throws IOException {
        return header.slice(BOOT_OFFSET, BOOT_BYTES).equals(ByteBuffer.wrap(bootId()));
    }

    private static byte[] bootId() throws IOException {
        byte[] id = Files.readString(BOOT_ID, StandardCharsets.US_ASCII).trim().getBytes(StandardCharsets.US_ASCII);
        if (id.length != BOOT_BYTES) {
            throw new IOException("cannot understand " + BOOT_ID);
        }
        return id;
    }

    private static boolean readFully(FileChannel file, ByteBuffer into, long offset) throws IOException {
        for (long at = offset; into.hasRemaining();) {
            int count = file.read(into, at);
            if (count < 0) {
                return false;
            }
            at += count;
        }
        return true;
    }

    /** Leaves the journal where it is. */
    @Override
    public void close() throws IOException {
        if (channel != null) {
            channel.close();
        }
    }
}
