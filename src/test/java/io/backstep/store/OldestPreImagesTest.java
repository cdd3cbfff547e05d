// SPDX-License-Identifier: Apache-2.0
package io.backstep.store;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.TreeMap;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class OldestPreImagesTest {
    private final List<UndoLog> logs = new ArrayList<>();
    private final OldestPreImages walk = new OldestPreImages();

    @AfterEach
    void close() {
        logs.forEach(UndoLog::close);
    }

    @Test
    void shouldEndAtOnceWithoutLogs() {
        walk.start(logs, 0);
        assertFalse(walk.next());

        logs.add(new UndoLog());
        walk.start(logs, 0);
        assertFalse(walk.next());
    }

    @Test
    void shouldTakeThePreImageOfTheOldestLog() {
        log(4, 0x1000, 9, 0x2000);
        log(4, 0x3000, 5, 0);
        log(3, 0x4000, 5, 0x5000, 9, 0x6000);

        walk.start(logs, 0);

        assertNext(3, 0x4000);
        assertNext(4, 0x1000);
        assertNext(5, 0);
        assertNext(9, 0x2000);
        assertFalse(walk.next());
    }

    @Test
    void shouldLeaveOutLogsBeforeTheStart() {
        log(4, 0x1000);
        log(4, 0x2000);

        walk.start(logs, 1);

        assertNext(4, 0x2000);
        assertFalse(walk.next());
    }

    @Test
    void shouldAgreeWithATreeMapForManyLogs() {
        long seed = Long.getLong("backstep.seed", System.nanoTime());
        SplittableRandom random = new SplittableRandom(seed);
        for (int round = 0; round < 300; round++) {
            logs.forEach(UndoLog::close);
            logs.clear();
            int count = 1 + random.nextInt(100);
            int from = random.nextInt(count);
            TreeMap<Long, Long> model = new TreeMap<>();
            for (int i = 0; i < count; i++) {
                UndoLog log = new UndoLog();
                for (long page = random.nextInt(40); page < 400; page += 1 + random.nextInt(40)) {
                    long frame = random.nextInt(1_000) * 4096L;
                    log.add(page, frame);
                    if (i >= from) {
                        model.putIfAbsent(page, frame);
                    }
                }
                logs.add(log);
            }

            walk.start(logs, from);

            for (Map.Entry<Long, Long> entry : model.entrySet()) {
                assertTrue(walk.next());
                assertEquals(entry.getKey(), walk.page(), "replay with -Dbackstep.seed=" + seed);
                assertEquals(entry.getValue(), walk.frame(), "replay with -Dbackstep.seed=" + seed);
            }
            assertFalse(walk.next());
        }
    }

    private void log(long... pagesAndFrames) {
        UndoLog log = new UndoLog();
        for (int i = 0; i < pagesAndFrames.length; i += 2) {
            log.add(pagesAndFrames[i], pagesAndFrames[i + 1]);
        }
        logs.add(log);
    }

    private void assertNext(long page, long frame) {
        assertTrue(walk.next());
        assertEquals(page, walk.page());
        assertEquals(frame, walk.frame());
    }
}
