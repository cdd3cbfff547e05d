// SPDX-License-Identifier: Apache-2.0
package io.backstep.store;

import static io.backstep.core.Pages.PAGE_SIZE;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.backstep.core.Pages;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Random;
import java.util.Set;
import net.openhft.chronicle.core.OS;
import org.agrona.UnsafeApi;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class FrameArenaTest {
    private static final long MIB = 1L << 20;

    private final long nativeBefore = OS.memory().nativeMemoryUsed();
    private final FrameArena arena = new FrameArena(256 * MIB);

    @AfterEach
    void shouldLeaveNoNativeMemoryBehind() {
        arena.close();
        arena.close();
        assertEquals(0, arena.bytes());
        assertEquals(nativeBefore, OS.memory().nativeMemoryUsed());
    }

    @Test
    void shouldHandOutAlignedFramesThatDoNotOverlap() {
        assertTrue(arena.ensureFree(20_000));

        Set<Long> seen = new HashSet<>();
        for (long i = 0; i < 20_000; i++) {
            long frame = arena.take();
            assertEquals(0, frame % PAGE_SIZE);
            assertTrue(seen.add(frame));
            Content.fill(frame, frame, 1);
        }
        seen.forEach(frame -> assertTrue(Content.matches(frame, frame, 1)));
    }

    @Test
    void shouldTakeNoMemoryBeforeItIsAsked() {
        assertEquals(0, arena.bytes());
        assertEquals(0, arena.frames());
    }

    @Test
    void shouldNotBelieveAStruckLabelThatIsWhatItWasAgain() {
        arena.ensureFree(1);
        long frame = arena.take();
        arena.seal(frame, Owner.mirror(7));
        long label = arena.label(frame);
        UnsafeApi.putLong(label, UnsafeApi.getLong(label) ^ 1);

        arena.disownIllegible();
        UnsafeApi.putLong(label, UnsafeApi.getLong(label) ^ 1);

        assertFalse(arena.isOwnedBy(frame, Owner.mirror(7)));
    }

    @Test
    void shouldListFreeFramesThatItLostWhenItIsTrimmed() {
        arena.ensureFree(10);
        long frames = arena.frames();
        long inUse = arena.take();
        long lost = arena.take();
        arena.give(lost);
        UnsafeApi.putLong(arena.label(lost), UnsafeApi.getLong(arena.label(lost)) ^ 1);
        assertNotEquals(lost, arena.take());
        UnsafeApi.putLong(arena.label(lost), UnsafeApi.getLong(arena.label(lost)) ^ 1);

        arena.trim();

        assertTrue(arena.isOwnedBy(inUse, Owner.TAKEN));
        assertEquals(frames - 2, arena.freeFrames());
    }

    @Test
    void shouldHandOutFramesInTheOrderOfTheirAddresses() {
        List<Long> taken = new ArrayList<>();
        arena.ensureFree(40_000);
        for (long i = 0; i < 40_000; i++) {
            taken.add(arena.take());
        }
        assertTrue(isAscending(taken));
        List<Long> given = new ArrayList<>(taken.subList(100, 30_000));
        Collections.shuffle(given, new Random(1));

        given.forEach(arena::give);

        List<Long> again = given.stream().map(frame -> arena.take()).toList();
        assertEquals(taken.subList(100, 30_000), again);
    }

    private static boolean isAscending(List<Long> frames) {
        return frames.stream().sorted().toList().equals(frames);
    }

    @Test
    void shouldCountFreeAndUsedFrames() {
        arena.ensureFree(10);
        long all = arena.frames();
        long frame = arena.take();

        assertEquals(1, arena.usedFrames());
        assertEquals(all - 1, arena.freeFrames());

        arena.give(frame);
        assertEquals(0, arena.usedFrames());
        assertEquals(all, arena.frames());
    }

    @Test
    void shouldNotGrowWhileEnoughFramesAreFree() {
        arena.ensureFree(10);
        long bytes = arena.bytes();

        assertTrue(arena.ensureFree(arena.freeFrames()));

        assertEquals(bytes, arena.bytes());
    }

    @ParameterizedTest
    @ValueSource(longs = {1, 1_000, 5_000, 20_000, 40_000})
    void shouldTakeLittleMoreThanIsNeeded(long count) {
        arena.ensureFree(count);

        long needed = Pages.toBytes(count);
        long beyond = Math.max(4 * MIB, needed / 20) + needed / 100 + 10 * PAGE_SIZE;
        assertTrue(arena.bytes() <= needed + beyond, count + " frames took " + arena.bytes() + " bytes");
    }

    @ParameterizedTest
    @ValueSource(longs = {0, 5_000, 12_288, 65_536, 10 * MIB, 100 * MIB})
    void shouldStayWithinTheBudgetToTheLastFrame(long budgetBytes) {
        try (FrameArena small = new FrameArena(budgetBytes)) {
            while (small.ensureFree(1)) {
                small.take();
                assertTrue(small.bytes() <= budgetBytes, small.bytes() + " of " + budgetBytes);
            }
            assertTrue(Pages.toBytes(small.frames()) >= budgetBytes * 98 / 100 - 4 * PAGE_SIZE,
                    small.frames() + " frames in " + budgetBytes);
        }
    }

    @Test
    void shouldRefuseMoreThanTheBudgetAndStayUsable() {
        assertFalse(arena.ensureFree(65_536));
        assertEquals(0, arena.frames());

        assertTrue(arena.ensureFree(60_000));
    }

    @Test
    void shouldCountMemoryElsewhereAgainstTheBudget() {
        arena.outsideBytes(255 * MIB);

        assertFalse(arena.ensureFree(1_000));

        arena.outsideBytes(0);
        assertTrue(arena.ensureFree(1_000));
    }

    @Test
    void shouldGoBeyondTheBudgetOnDemand() {
        try (FrameArena empty = new FrameArena(0)) {
            empty.demandFree(3);

            assertTrue(empty.freeFrames() >= 3);
            assertTrue(empty.bytes() < MIB);
            assertFalse(empty.ensureFree(empty.freeFrames() + 1));
        }
    }

    @Test
    void shouldReturnFalseWhenTheMachineRefuses() {
        try (FrameArena endless = new FrameArena(Long.MAX_VALUE)) {
            assertFalse(endless.ensureFree(1L << 48));
            assertTrue(endless.ensureFree(10));
        }
    }

    @Test
    void shouldGiveWhollyFreeSegmentsBack() {
        List<Long> kept = new ArrayList<>();
        List<Long> others = new ArrayList<>();
        arena.ensureFree(40_000);
        for (long i = 0; i < 40_000; i++) {
            (i < 100 ? kept : others).add(arena.take());
        }
        kept.forEach(frame -> Content.fill(frame, frame, 9));
        others.forEach(arena::give);

        arena.trim();

        assertEquals(100, arena.usedFrames());
        assertTrue(arena.frames() <= 16_384, arena.frames() + " frames");
        kept.forEach(frame -> assertTrue(Content.matches(frame, frame, 9)));
        Set<Long> seen = new HashSet<>(kept);
        while (arena.freeFrames() > 0) {
            long frame = arena.take();
            assertTrue(seen.add(frame));
            UnsafeApi.putLong(frame, 1);
        }
        assertEquals(arena.frames(), seen.size());
    }

    @Test
    void shouldGiveEverythingBackWhenEverythingIsFree() {
        arena.ensureFree(40_000);

        arena.trim();

        assertEquals(0, arena.bytes());
        assertEquals(nativeBefore, OS.memory().nativeMemoryUsed());
        assertTrue(arena.ensureFree(1));
    }

    @Test
    void shouldNoticeAFrameTooMany() {
        arena.ensureFree(1);
        long frame = arena.take();
        arena.give(frame);

        assertThrows(AssertionError.class, () -> arena.give(frame));
    }
}
