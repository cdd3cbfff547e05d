// SPDX-License-Identifier: Apache-2.0
package io.backstep.core;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.BitSet;
import java.util.SplittableRandom;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class PageRangesTest {
    private static final int UNIVERSE = 80;

    private final PageRanges ranges = new PageRanges();
    private final PageRanges other = new PageRanges();
    private final PageRanges result = new PageRanges();

    @AfterEach
    void close() {
        ranges.close();
        other.close();
        result.close();
    }

    @Test
    void shouldJoinNeighboursAndOverlaps() {
        ranges.add(1, 3);
        ranges.add(3, 5);
        ranges.add(4, 9);
        ranges.add(5, 6);
        ranges.add(11, 12);

        assertEquals("pages 1-9 b-c", ranges.toString());
        assertEquals(9, ranges.pageCount());
    }

    @Test
    void shouldTellItsPagesByIndex() {
        ranges.add(10, 12);
        ranges.add(1L << 40, (1L << 40) + 2);

        assertEquals(10, ranges.page(0));
        assertEquals(11, ranges.page(1));
        assertEquals((1L << 40) + 1, ranges.page(3));
        assertThrows(IndexOutOfBoundsException.class, () -> ranges.page(4));
    }

    @Test
    void shouldContainNothingWhenEmpty() {
        assertTrue(ranges.isEmpty());
        assertEquals(0, ranges.pageCount());
        assertFalse(ranges.contains(0));
    }

    @Test
    void shouldAnswerAWalkAsItAnswersSingleQuestions() {
        ranges.add(3, 5);
        ranges.add(7, 8);
        ranges.add(20, 24);
        long range = 0;
        for (long page = 0; page < 30; page++) {
            range = ranges.seek(range, page);

            assertEquals(ranges.contains(page), ranges.has(range, page), "page " + page);
        }
        assertEquals(3, range);
    }

    @Test
    void shouldTakeOverAnotherSet() {
        other.add(4, 7);

        ranges.copyFrom(other);
        other.add(9, 10);

        assertEquals("pages 4-7", ranges.toString());
        other.clear();
        ranges.copyFrom(other);
        assertTrue(ranges.isEmpty());
    }

    @Test
    void shouldAgreeWithBitSets() {
        long seed = Long.getLong("backstep.seed", System.nanoTime());
        SplittableRandom random = new SplittableRandom(seed);
        for (int round = 0; round < 5_000; round++) {
            String story = "round " + round + ", replay with -Dbackstep.seed=" + seed;
            BitSet bits = randomBits(random);
            BitSet otherBits = randomBits(random);
            fill(ranges, bits);
            fill(other, otherBits);

            assertHolds(bits, ranges, story);

            BitSet union = (BitSet) bits.clone();
            union.or(otherBits);
            result.setUnion(ranges, other);
            assertHolds(union, result, "union, " + story);

            BitSet difference = (BitSet) bits.clone();
            difference.andNot(otherBits);
            result.setDifference(ranges, other);
            assertHolds(difference, result, "difference, " + story);
        }
    }

    private static BitSet randomBits(SplittableRandom random) {
        BitSet bits = new BitSet();
        for (int i = random.nextInt(8); i > 0; i--) {
            int first = random.nextInt(UNIVERSE);
            bits.set(first, Math.min(UNIVERSE, first + 1 + random.nextInt(12)));
        }
        return bits;
    }

    private static void fill(PageRanges into, BitSet bits) {
        into.clear();
        for (int first = bits.nextSetBit(0); first >= 0; first = bits.nextSetBit(bits.nextClearBit(first))) {
            into.add(first, bits.nextClearBit(first));
        }
    }

    private static void assertHolds(BitSet expected, PageRanges actual, String story) {
        assertEquals(expected.cardinality(), actual.pageCount(), story);
        int index = 0;
        for (int page = 0; page < UNIVERSE; page++) {
            assertEquals(expected.get(page), actual.contains(page), story);
            if (expected.get(page)) {
                assertEquals(page, actual.page(index++), story);
            }
        }
        for (long i = 1; i < actual.rangeCount(); i++) {
            assertTrue(actual.end(i - 1) < actual.first(i), "neighbours are joined, " + story);
        }
    }
}
