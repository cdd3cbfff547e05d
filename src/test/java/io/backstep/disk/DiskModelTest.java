// SPDX-License-Identifier: Apache-2.0
package io.backstep.disk;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.TreeMap;

import io.backstep.core.BackstepException;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * A disk beside a model that keeps a whole copy for each mark: after each random step both are compared byte by byte.
 * {@code -Dbackstep.seed} replays, {@code -Dbackstep.steps} goes on for longer.
 */
class DiskModelTest {
    // Three pieces and more, and a last block that is cut.
    private static final int DISK_BYTES = 4 * Disk.PIECE_BYTES + 5 * Blocks.BYTES + 3 * RawImage.SECTOR_BYTES;
    private static final int MOST_KEPT = 6;

    @TempDir
    Path directory;

    private final ByteBuffer buffer = ByteBuffer.allocateDirect(DISK_BYTES);
    private final TreeMap<Long, byte[]> marks = new TreeMap<>();
    private final List<String> warnings = new ArrayList<>();
    private SplittableRandom random;
    private Disk disk;
    private byte[] content = new byte[DISK_BYTES];
    private long lastMark = -1;
    private int rollbacks;
    private int budgetDrops;

    @ParameterizedTest(name = "budget of {0} bytes")
    @ValueSource(longs = {1 << 30, 1100 << 10, 1})
    void shouldBeWhatItWasAtAMarkWhateverHappened(long budgetBytes) throws IOException {
        long seed = Long.getLong("backstep.seed", System.nanoTime());
        int steps = Integer.getInteger("backstep.steps", 3_000);
        random = new SplittableRandom(seed);
        Path image = directory.resolve("image");
        for (int at = 0; at < DISK_BYTES / 2; at++) {
            content[at] = (byte) random.nextInt();
        }
        Files.write(image, content);
        RawImage raw = RawImage.open(image, false);
        RollbackJournal journal = new RollbackJournal(image, raw.sizeBytes(), Disk.newScratch());
        try (Disk opened = new Disk(raw, journal, budgetBytes, warnings::add)) {
            disk = opened;
            for (int step = 0; step < steps; step++) {
                String did = "nothing";
                try {
                    did = step();
                    compare();
                } catch (Throwable e) {
                    throw new AssertionError("step " + step + " (" + did + ") with a budget of " + budgetBytes
                            + " bytes; replay with -Dbackstep.seed=" + seed + " -Dbackstep.steps=" + steps, e);
                }
            }
            disk.flush();
            assertEquals(false, Files.exists(journal.path()));
        }
        assertArrayEquals(content, Files.readAllBytes(image));
        if (steps >= 1_000) {
            assertTrue(rollbacks > steps / 150, rollbacks + " rollbacks");
            assertEquals(budgetBytes < 1 << 30, budgetDrops > 0, budgetDrops + " marks dropped for lack of memory");
            assertEquals(budgetDrops > 0 ? 1 : 0, warnings.size(), warnings.toString());
        }
    }

    private String step() throws IOException {
        int offset = random.nextInt(DISK_BYTES);
        int length = random.nextInt(4) == 0 ? 1 + random.nextInt(DISK_BYTES - offset)
                : Math.min(DISK_BYTES - offset, 1 + random.nextInt(3 * Blocks.BYTES));
        if (random.nextBoolean()) {
            offset &= -RawImage.SECTOR_BYTES;
        }
        switch (random.nextInt(16)) {
            case 0, 1, 2, 3, 4 -> {
                int written = Math.min(length, Disk.PIECE_BYTES);
                write(offset, written);
                return "write " + written + " at " + offset;
            }
            case 5, 6, 7 -> {
                boolean holes = random.nextBoolean();
                disk.zero(offset, length, holes);
                Arrays.fill(content, offset, offset + length, (byte) 0);
                return "zero " + length + " at " + offset + (holes ? " with holes" : "");
            }
            case 8, 9 -> {
                disk.discard(offset, length);
                adopt(offset, length);
                return "discard " + length + " at " + offset;
            }
            case 10, 11, 12 -> {
                lastMark += 1 + random.nextInt(3);
                disk.mark(lastMark);
                marks.put(lastMark, content.clone());
                while (marks.size() > MOST_KEPT) {
                    drop();
                }
                return "mark " + lastMark;
            }
            case 13 -> {
                return "drop " + drop();
            }
            case 14 -> {
                disk.flush();
                return "flush";
            }
            default -> {
                return rollback();
            }
        }
    }

    private void write(int offset, int length) throws IOException {
        buffer.clear();
        for (int i = 0; i < length; i++) {
            byte value = (byte) random.nextInt();
            buffer.put(value);
            content[offset + i] = value;
        }
        disk.write(buffer.flip(), offset);
    }

    /** What was discarded may read as anything, but it stays that. */
    private void adopt(int offset, int length) throws IOException {
        disk.read(buffer.clear().limit(length), offset);
        buffer.flip().get(content, offset, length);
    }

    private long drop() {
        Long mark = marks.isEmpty() ? null : marks.ceilingKey(random.nextLong(marks.firstKey(), marks.lastKey() + 1));
        if (mark == null) {
            return UndoHistory.NONE;
        }
        marks.remove(mark);
        disk.drop(mark);
        return mark;
    }

    private String rollback() {
        if (marks.isEmpty()) {
            assertThrows(BackstepException.class, () -> disk.rollback(lastMark + 1));
            return "rollback to nothing";
        }
        long mark = marks.ceilingKey(random.nextLong(marks.firstKey(), marks.lastKey() + 1));
        disk.rollback(mark);
        rollbacks++;
        content = marks.get(mark).clone();
        marks.tailMap(mark, false).clear();
        lastMark = mark;
        return "rollback to " + mark;
    }

    private void compare() throws IOException {
        List<Long> kept = disk.marks();
        while (!marks.isEmpty() && (kept.isEmpty() || marks.firstKey() < kept.get(0))) {
            marks.pollFirstEntry(); // for lack of memory the oldest go
            budgetDrops++;
        }
        assertEquals(List.copyOf(marks.keySet()), kept);
        disk.read(buffer.clear(), 0);
        assertEquals(-1, buffer.flip().mismatch(ByteBuffer.wrap(content)), "first byte that differs");
    }
}
