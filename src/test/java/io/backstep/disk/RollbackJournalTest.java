// SPDX-License-Identifier: Apache-2.0
package io.backstep.disk;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Arrays;
import java.util.SplittableRandom;

import io.backstep.core.BackstepException;
import org.agrona.UnsafeApi;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A rollback that was cut short: completed if it had begun to touch the image, else as if it had never been asked for. */
class RollbackJournalTest {
    private static final int DISK_BYTES = 100 * Blocks.BYTES + RawImage.SECTOR_BYTES;
    // As the journal's picture has them.
    private static final int CONTENT_CHECKED_FROM = 4096;
    private static final int APPLIED_AT = 47;
    private static final int BOOT_AT = 48;

    @TempDir
    Path directory;

    private Path image;
    private Path journalFile;
    private byte[] then;
    private byte[] now;

    /** Leaves a journal of a rollback from "now" to "then" and an image that it has not touched. */
    @BeforeEach
    void leaveJournal() throws IOException {
        image = directory.resolve("image");
        journalFile = directory.resolve("image" + RollbackJournal.SUFFIX);
        then = new byte[DISK_BYTES];
        new SplittableRandom(7).nextBytes(then);
        Arrays.fill(then, 10 * Blocks.BYTES, 20 * Blocks.BYTES, (byte) 0);
        now = then.clone();
        Files.write(image, now);
        try (RawImage raw = RawImage.open(image, false); BlockTable table = new BlockTable();
                UndoFrames frames = new UndoFrames(); RollbackJournal journal = journalOf(raw)) {
            for (long block : new long[] {100, 0, 1, 2, 11, 12, 19, 20, 50}) {
                keep(block, table, frames);
            }
            journal.write(PreImages.of(table));
        }
        Files.write(image, now);
    }

    private void keep(long block, BlockTable table, UndoFrames frames) {
        int offset = (int) Blocks.offset(block);
        int length = Blocks.length(block, DISK_BYTES);
        boolean isZero = block >= 10 && block < 20;
        long frame = isZero ? BlockTable.ZEROS : frames.take();
        for (int i = 0; i < length; i++) {
            if (!isZero) {
                UnsafeApi.putByte(frame + i, then[offset + i]);
            }
            now[offset + i] ^= 0x55;
        }
        table.put(block, frame);
    }

    private RollbackJournal journalOf(RawImage raw) throws IOException {
        return new RollbackJournal(image, raw.sizeBytes(), Disk.newScratch());
    }

    private boolean recover() throws IOException {
        try (RawImage raw = RawImage.open(image, false); RollbackJournal journal = journalOf(raw)) {
            return journal.recover(raw);
        }
    }

    private void assertRecovered(boolean expected, byte[] content) throws IOException {
        assertEquals(expected, recover());
        assertArrayEquals(content, Files.readAllBytes(image));
        assertFalse(Files.exists(journalFile));
        assertFalse(recover());
    }

    private void edit(int at, int value) throws IOException {
        byte[] bytes = Files.readAllBytes(journalFile);
        bytes[at] = (byte) value;
        Files.write(journalFile, bytes);
    }

    @Test
    void shouldCompleteRollbackOfWholeJournal() throws IOException {
        assertRecovered(true, then);
    }

    @Test
    void shouldCompleteRollbackThatTouchedPartOfTheImage() throws IOException {
        byte[] mixed = now.clone();
        System.arraycopy(then, 0, mixed, 0, 12 * Blocks.BYTES);
        Files.write(image, mixed);
        assertRecovered(true, then);
    }

    @Test
    void shouldNotTouchImageWithCutJournal() throws IOException {
        byte[] whole = Files.readAllBytes(journalFile);
        SplittableRandom random = new SplittableRandom(11);
        for (int round = 0; round < 200; round++) {
            Files.write(journalFile, Arrays.copyOf(whole, random.nextInt(whole.length)));
            assertRecovered(false, now);
        }
    }

    @Test
    void shouldNotTouchImageWithJournalWhoseHeaderWasNotWritten() throws IOException {
        byte[] whole = Files.readAllBytes(journalFile);
        Arrays.fill(whole, 0, CONTENT_CHECKED_FROM, (byte) 0);
        Files.write(journalFile, whole);
        assertRecovered(false, now);
    }

    @Test
    void shouldNotTouchImageWithDamagedJournal() throws IOException {
        byte[] whole = Files.readAllBytes(journalFile);
        SplittableRandom random = new SplittableRandom(12);
        for (int round = 0; round < 200; round++) {
            byte[] damaged = whole.clone();
            damaged[random.nextInt(CONTENT_CHECKED_FROM, damaged.length)] ^= 1 << random.nextInt(Byte.SIZE);
            Files.write(journalFile, damaged);
            assertRecovered(false, now);
        }
    }

    @Test
    void shouldNotTakeBackWritesAfterRollbackWhileTheHostRuns() throws IOException {
        edit(APPLIED_AT, 1);
        assertRecovered(false, now);
    }

    @Test
    void shouldCompleteRollbackWhenTheHostWentDownAfterIt() throws IOException {
        edit(APPLIED_AT, 1);
        edit(BOOT_AT, '-');
        assertRecovered(true, then);
    }

    @Test
    void shouldRefuseJournalOfAnotherImage() throws IOException {
        Path other = Files.write(directory.resolve("other"), now);
        Files.move(other, image, StandardCopyOption.REPLACE_EXISTING);

        assertThrows(BackstepException.class, this::recover);
        assertArrayEquals(now, Files.readAllBytes(image));
        assertTrue(Files.exists(journalFile));
    }

    @Test
    void shouldRefuseToReadImageThatIsHalfRolledBack() throws IOException {
        BackstepException refusal = assertThrows(BackstepException.class, () -> DiskServer.open(
                image, ImageFormat.RAW, true, 1 << 20, directory.resolve("socket"), message -> { }));
        assertTrue(refusal.getMessage().contains("--read-only"), refusal.getMessage());
    }
}
