// SPDX-License-Identifier: Apache-2.0
package io.backstep.store;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.backstep.core.LongVector;
import io.backstep.core.Pages;
import java.util.SplittableRandom;
import java.util.TreeMap;
import org.agrona.UnsafeApi;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class PageTableTest {
    private static final long FAR = 1L << 45;

    private final FrameArena arena = new FrameArena(64L << 20);
    private final PageTable table = new PageTable(arena);

    @AfterEach
    void shouldReturnEveryFrameWhenCleared() {
        table.clear();
        assertEquals(0, table.frames());
        assertEquals(0, table.leaves());
        assertEquals(0, arena.usedFrames());
        arena.close();
    }

    @Test
    void shouldHoldNoFrameAtFirst() {
        assertEquals(0, table.get(0));
        assertEquals(0, table.get(FAR));
        assertEquals(0, table.remove(7));
        assertEquals(9, table.next(3, 9));
    }

    @Test
    void shouldReturnTheFrameThatWasReplaced() {
        long first = frame();
        long second = frame();

        assertEquals(0, table.put(42, first));
        assertEquals(first, table.put(42, second));
        assertEquals(second, table.get(42));
        assertEquals(1, table.frames());
        arena.give(first);
    }

    @Test
    void shouldRecycleALeafWithItsLastPage() {
        table.put(511, frame());
        table.put(512, frame());
        table.put(FAR, frame());
        assertEquals(3, table.leaves());

        arena.give(table.remove(512));

        assertEquals(2, table.leaves());
        assertEquals(0, table.get(512));
        assertEquals(0, table.remove(512));
        assertEquals(2, table.frames());
        assertEquals(4, arena.usedFrames());
    }

    @Test
    void shouldStartARecycledLeafEmpty() {
        for (long page = 0; page < 512; page++) {
            table.put(page, frame());
        }
        for (long page = 0; page < 512; page++) {
            arena.give(table.remove(page));
        }
        table.put(1024 + 5, frame());

        assertEquals(1024 + 5, table.next(1024, 1536));
        assertEquals(1536, table.next(1024 + 6, 1536));
    }

    @Test
    void shouldFindTheNextPageAcrossMissingLeaves() {
        table.put(3, frame());
        table.put(100_000, frame());

        assertEquals(3, table.next(0, FAR >> 20));
        assertEquals(100_000, table.next(4, 100_001));
        assertEquals(100_000, table.next(4, 100_000));
    }

    @Test
    void shouldHoldNoFrameAfterAClear() {
        table.put(7, frame());

        table.clear();

        assertEquals(0, table.get(7));
        assertEquals(0, table.remove(7));
        assertEquals(8, table.next(7, 8));
    }

    @Test
    void shouldNotNeedTheArenaForPreparedPages() {
        try (LongVector pages = new LongVector(); LongVector beside = new LongVector()) {
            for (long page = 0; page < 3 * 512; page += 100) {
                pages.add(page);
                beside.add(page < 512 ? 0 : frame());
            }
            table.prepare(pages, beside);
            assertEquals(2, table.leaves());

            long used = arena.usedFrames();
            for (long i = 0; i < pages.size(); i++) {
                if (beside.get(i) != 0) {
                    table.put(pages.get(i), beside.get(i));
                }
            }
            assertEquals(used, arena.usedFrames());
        }
    }

    @Test
    void shouldAgreeWithATreeMap() {
        long seed = Long.getLong("backstep.seed", System.nanoTime());
        SplittableRandom random = new SplittableRandom(seed);
        TreeMap<Long, Long> model = new TreeMap<>();
        for (int step = 0; step < 50_000; step++) {
            String story = "step " + step + ", replay with -Dbackstep.seed=" + seed;
            long page = (random.nextInt(4) == 0 ? FAR : 0) + random.nextInt(3_000);
            switch (random.nextInt(4)) {
                case 0, 1 -> {
                    long frame = frame();
                    Long old = model.put(page, frame);
                    assertEquals(old == null ? 0 : old, table.put(page, frame), story);
                    giveIfAny(old);
                }
                case 2 -> {
                    Long old = model.remove(page);
                    assertEquals(old == null ? 0 : old, table.remove(page), story);
                    giveIfAny(old);
                }
                default -> {
                    Long next = model.ceilingKey(page);
                    long end = page + random.nextInt(2_000);
                    assertEquals(next == null || next >= end ? end : next, table.next(page, end), story);
                    assertEquals(model.getOrDefault(page, 0L), table.get(page), story);
                }
            }
            assertEquals(model.size(), table.frames(), story);
        }
        assertEquals(model.keySet().stream().mapToLong(page -> page >>> 9).distinct().count(), table.leaves());
        assertEquals(model.size() + table.leaves(), arena.usedFrames());
        assertTrue(table.bytes() > table.leaves() * 4096);
    }

    @Test
    void shouldMakeItselfAnewFromLabels() {
        for (long page = 0; page < 2_000; page += 3) {
            table.putNew(page, summed());
        }
        long frame = table.get(300);
        strike(leaf(300) + 300 * Long.BYTES);

        table.trust();

        assertEquals(frame, table.get(300));
        assertEquals(303, table.next(301, 512));
        assertEquals(1, table.mended());
    }

    @Test
    void shouldWriteALabelAnewFromItsLeaf() {
        long frame = summed();
        table.putNew(7, frame);
        strike(arena.label(frame));

        table.trust();

        assertEquals(frame, table.get(7));
        assertTrue(arena.isOwnedBy(frame, Owner.mirror(7)));
    }

    @Test
    void shouldKnowLabelsOfOtherLeavesWhenOneIsMadeAnew() {
        table.putNew(7, summed());
        table.putNew(600, summed());
        strike(arena.label(table.get(600)));
        strike(leaf(7) + 9 * Long.BYTES);

        table.trust();

        assertEquals(9, table.next(8, 9));
        assertTrue(table.get(7) != 0 && table.get(600) != 0);
        assertEquals(2, table.frames());
    }

    @Test
    void shouldNotBelieveLabelsThatMakeAnotherTable() {
        long frame = summed();
        table.putNew(7, frame);
        arena.seal(frame(), Owner.mirror(9));
        strike(arena.label(frame));
        strike(leaf(7) + 7 * Long.BYTES);

        table.trust();

        assertThrows(PageTable.LostException.class, () -> table.get(7));
        assertThrows(PageTable.LostException.class, table::trust);
        strike(arena.label(frame));
    }

    private static void strike(long word) {
        UnsafeApi.putLong(word, UnsafeApi.getLong(word) ^ 1L << 20);
    }

    /** The leaf of a page. */
    private long leaf(long page) {
        long frame = arena.next(0);
        while (arena.owner(frame) != Owner.leaf(page >>> 9)) {
            frame = arena.next(frame + Pages.PAGE_SIZE);
        }
        return frame;
    }

    private long frame() {
        assertTrue(arena.ensureFree(1));
        return arena.take();
    }

    private long summed() {
        long frame = frame();
        arena.sum(frame);
        return frame;
    }

    private void giveIfAny(Long frame) {
        if (frame != null) {
            arena.give(frame);
        }
    }
}
