// SPDX-License-Identifier: Apache-2.0
package io.backstep.store;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class UndoLogTest {
    private final FrameArena arena = new FrameArena(8L << 20);
    private final UndoLog older = new UndoLog();
    private final UndoLog newer = new UndoLog();
    private final UndoLog merged = new UndoLog();

    @AfterEach
    void shouldReturnEveryFrameWhenFreed() {
        older.free(arena);
        newer.free(arena);
        merged.free(arena);
        assertEquals(0, arena.usedFrames());
        older.close();
        newer.close();
        merged.close();
        assertEquals(0, merged.bytes());
        arena.close();
    }

    @Test
    void shouldFindPages() {
        for (long page = 10; page < 2_000; page += 3) {
            older.add(page, 0);
        }

        assertEquals(0, older.indexOf(10));
        assertEquals(1, older.indexOf(13));
        assertEquals(older.size() - 1, older.indexOf(1999));
        assertEquals(-1, older.indexOf(11));
        assertEquals(-1, older.indexOf(0));
        assertEquals(-1, older.indexOf(5_000));
        assertEquals(-1, newer.indexOf(1));
    }

    @Test
    void shouldCountOnlyPreImagesWithAFrame() {
        older.add(1, frame());
        older.add(2, 0);

        assertEquals(2, older.size());
        assertEquals(1, older.frameCount());
    }

    @Test
    void shouldKeepOlderPreImageWhenLogsMerge() {
        long olderFrame = frame();
        older.add(5, olderFrame);
        newer.add(5, frame());

        merged.setMerged(older, newer, arena);

        assertEquals(1, merged.size());
        assertEquals(olderFrame, merged.frame(0));
        assertEquals(1, arena.usedFrames());
    }

    @Test
    void shouldKeepTheAbsenceOfContentWhenLogsMerge() {
        older.add(5, 0);
        newer.add(5, frame());

        merged.setMerged(older, newer, arena);

        assertEquals(1, merged.size());
        assertEquals(0, merged.frame(0));
        assertEquals(0, merged.frameCount());
        assertEquals(0, arena.usedFrames());
    }

    @Test
    void shouldKeepPagesOfBothLogsInOrder() {
        for (long page : new long[] {1, 4, 6, 7, 30}) {
            older.add(page, frame());
        }
        for (long page : new long[] {0, 4, 5, 7, 8, 9}) {
            newer.add(page, frame());
        }

        merged.setMerged(older, newer, arena);

        long[] expected = {0, 1, 4, 5, 6, 7, 8, 9, 30};
        assertEquals(expected.length, merged.size());
        for (int i = 0; i < expected.length; i++) {
            assertEquals(expected[i], merged.page(i));
        }
        assertEquals(9, merged.frameCount());
        assertEquals(9, arena.usedFrames());
        assertEquals(0, older.size() + newer.size());
    }

    @Test
    void shouldMergeWithAnEmptyLog() {
        newer.add(3, frame());
        merged.setMerged(older, newer, arena);
        assertEquals(3, merged.page(0));

        UndoLog again = new UndoLog();
        again.setMerged(merged, older, arena);

        assertEquals(1, again.size());
        again.free(arena);
        again.close();
    }

    @Test
    void shouldNotGrowWhenItIsUsedAgain() {
        fillAndForget();
        long bytes = older.bytes();

        fillAndForget();

        assertEquals(bytes, older.bytes());
    }

    private void fillAndForget() {
        for (long page = 0; page < 5_000; page++) {
            older.add(page, 0);
        }
        older.forget();
    }

    @Test
    void shouldRefusePagesThatDoNotAscend() {
        older.add(5, 0);

        assertThrows(AssertionError.class, () -> older.add(5, 0));
    }

    private long frame() {
        assertTrue(arena.ensureFree(1));
        return arena.take();
    }
}
