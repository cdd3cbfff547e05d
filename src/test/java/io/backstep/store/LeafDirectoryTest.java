// SPDX-License-Identifier: Apache-2.0
package io.backstep.store;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.reflect.Field;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;

class LeafDirectoryTest {
    private static final int ROWS = 100;

    private final LeafDirectory directory = new LeafDirectory();

    @Test
    void shouldAgreeWithATreeMap() {
        long seed = Long.getLong("backstep.seed", System.nanoTime());
        SplittableRandom random = new SplittableRandom(seed);
        TreeMap<Long, Long> model = new TreeMap<>();
        for (int step = 0; step < 20_000; step++) {
            String story = "step " + step + ", replay with -Dbackstep.seed=" + seed;
            long index = random.nextLong(300) << 20;
            int row = directory.find(index);
            assertEquals(model.containsKey(index), row >= 0, story);
            if (row < 0) {
                directory.add(index, step);
                model.put(index, (long) step);
            } else if (random.nextInt(3) == 0) {
                directory.remove(row);
                model.remove(index);
            } else {
                assertEquals(model.put(index, (long) step), directory.entry(row), story);
                directory.entry(row, step);
            }
            assertTrue(directory.isIntact(), story);
        }
        List<Long> found = new ArrayList<>();
        for (int row = 0; row < directory.endRow(); row = LeafDirectory.nextRow(row)) {
            found.add(directory.index(row));
        }
        assertEquals(List.copyOf(model.keySet()), found);
        assertEquals(model.size(), directory.size());
    }

    @Test
    void shouldNoticeEveryBitOfItsRowsAndNeedNoOther() throws ReflectiveOperationException {
        for (int i = 0; i < ROWS; i++) {
            directory.addToContent(directory.add(3L * i, (i + 1L) << 12), Mixing.mix(i, i));
        }
        Field field = LeafDirectory.class.getDeclaredField("words");
        field.setAccessible(true);
        long[] words = (long[]) field.get(directory);
        for (int word = 0; word < words.length; word++) {
            for (int bit = 0; bit < Long.SIZE; bit++) {
                words[word] ^= 1L << bit;
                assertEquals(word >= directory.endRow(), directory.isIntact(), "word " + word + ", bit " + bit);
                words[word] ^= 1L << bit;
            }
        }
        assertFalse(directory.find(1) >= 0);
    }
}
