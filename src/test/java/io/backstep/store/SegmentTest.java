// SPDX-License-Identifier: Apache-2.0
package io.backstep.store;

import static io.backstep.core.Pages.PAGE_SIZE;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.backstep.core.Pages;
import java.util.function.LongPredicate;
import net.openhft.chronicle.bytes.BytesStore;
import org.agrona.UnsafeApi;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class SegmentTest {
    private static final long FRAMES = 3 * Redundancy.GROUP;
    private static final long GROUPS = 3;

    private static Segment sealed(Redundancy redundancy) {
        Segment segment = new Segment(BytesStore.lazyNativeBytesStoreWithFixedCapacity(Segment.bytes(FRAMES, redundancy)),
                FRAMES, redundancy, new FrameReader());
        for (long i = 0; i < FRAMES; i++) {
            Content.fill(frame(segment, i), i, 1);
            segment.seal(frame(segment, i), Owner.mirror(i));
        }
        return segment;
    }

    private static long frame(Segment segment, long index) {
        return segment.firstFrame() + Pages.toBytes(index);
    }

    private static void strike(long frame) {
        UnsafeApi.putLong(frame + PAGE_SIZE / 2, ~UnsafeApi.getLong(frame + PAGE_SIZE / 2));
    }

    private static long spare(Segment segment) {
        return segment.endFrame();
    }

    @ParameterizedTest
    @EnumSource(Redundancy.class)
    void shouldNoticeAnyBitThatIsNotWhatItWas(Redundancy redundancy) {
        try (Segment segment = sealed(redundancy)) {
            long frame = frame(segment, 5);
            for (int bit = 0; bit < PAGE_SIZE * Byte.SIZE; bit += 7) {
                UnsafeApi.putByte(frame + bit / 8, (byte) (UnsafeApi.getByte(frame + bit / 8) ^ 1 << bit % 8));
                assertFalse(segment.isSound(frame), "bit " + bit);
                UnsafeApi.putByte(frame + bit / 8, (byte) (UnsafeApi.getByte(frame + bit / 8) ^ 1 << bit % 8));
            }
            assertTrue(segment.isSound(frame));
        }
    }

    @ParameterizedTest
    @EnumSource(Redundancy.class)
    void shouldRepairEachFrameIfThereIsSomethingToRepairItFrom(Redundancy redundancy) {
        try (Segment segment = sealed(redundancy)) {
            for (long i = 0; i < FRAMES; i++) {
                strike(frame(segment, i));

                assertEquals(redundancy != Redundancy.OFF, segment.spares().repair(frame(segment, i)));

                assertEquals(redundancy != Redundancy.OFF, Content.matches(frame(segment, i), i, 1));
            }
        }
    }

    @ParameterizedTest
    @EnumSource(value = Redundancy.class, names = {"PARITY", "MIRROR"})
    void shouldRepairASealThatWasStruck(Redundancy redundancy) {
        try (Segment segment = sealed(redundancy)) {
            long frame = frame(segment, 7);
            long label = segment.label(frame);
            Label.putSeal(label, Label.seal(label) ^ 1 << 20);
            assertFalse(segment.isSound(frame));

            assertTrue(segment.spares().repair(frame));

            assertTrue(segment.isSound(frame));
            assertTrue(Content.matches(frame, 7, 1));
        }
    }

    @Test
    void shouldRepairTwoNeighboursByParity() {
        try (Segment segment = sealed(Redundancy.PARITY)) {
            strike(frame(segment, 3));
            strike(frame(segment, 4));

            assertTrue(segment.spares().repair(frame(segment, 3)));
            assertTrue(segment.spares().repair(frame(segment, 4)));

            assertTrue(Content.matches(frame(segment, 3), 3, 1));
            assertTrue(Content.matches(frame(segment, 4), 4, 1));
        }
    }

    @Test
    void shouldNotTakeTwoBrokenFramesOfAGroupForRight() {
        try (Segment segment = sealed(Redundancy.PARITY)) {
            long one = frame(segment, 3);
            long other = frame(segment, 3 + GROUPS);
            strike(one);
            UnsafeApi.putByte(other, (byte) ~UnsafeApi.getByte(other));

            assertFalse(segment.spares().repair(one));
            segment.unseal(one);

            assertFalse(segment.spares().repair(other));
            assertFalse(segment.isSound(other));
        }
    }

    @Test
    void shouldRepairAfterOthersOfTheGroupWereOverwritten() {
        try (Segment segment = sealed(Redundancy.PARITY)) {
            long overwritten = frame(segment, 3);
            segment.unseal(overwritten);
            Content.fill(overwritten, 3, 2);
            assertRepairs(segment, 3 + GROUPS, 1);

            segment.seal(overwritten, Owner.mirror(3));

            assertRepairs(segment, 3 + GROUPS, 1);
            assertRepairs(segment, 3, 2);
        }
    }

    private static void assertRepairs(Segment segment, long index, long version) {
        strike(frame(segment, index));
        assertTrue(segment.spares().repair(frame(segment, index)));
        assertTrue(Content.matches(frame(segment, index), index, version));
    }

    @ParameterizedTest
    @EnumSource(value = Redundancy.class, names = {"PARITY", "MIRROR"})
    void shouldMendWhatItRepairsFrom(Redundancy redundancy) {
        try (Segment segment = sealed(redundancy)) {
            strike(spare(segment));

            assertFalse(allRight(segment, segment.spares()::mend));

            assertTrue(allRight(segment, segment.spares()::mend));
            assertRepairs(segment, 0, 1);
        }
    }

    @Test
    void shouldMendAGroupInWhichAFreeFrameIsBroken() {
        try (Segment segment = sealed(Redundancy.PARITY)) {
            long free = frame(segment, GROUPS);
            Label.own(segment.label(free), Owner.sealed(Owner.FREE));
            strike(free);

            assertFalse(allRight(segment, segment.spares()::mend));

            assertTrue(allRight(segment, segment.spares()::mend));
            assertRepairs(segment, 0, 1);
        }
    }

    private static boolean allRight(Segment segment, LongPredicate look) {
        boolean right = true;
        for (long i = 0; i < FRAMES; i++) {
            right &= look.test(frame(segment, i));
        }
        return right;
    }

    @Test
    void shouldNoticeALabelThatWasStruck() {
        try (Segment segment = sealed(Redundancy.OFF)) {
            long frame = frame(segment, 2);
            for (int bit = 0; bit < Long.SIZE; bit++) {
                UnsafeApi.putLong(segment.label(frame), UnsafeApi.getLong(segment.label(frame)) ^ 1L << bit);
                assertFalse(Label.isLegible(segment.label(frame)));
                UnsafeApi.putLong(segment.label(frame), UnsafeApi.getLong(segment.label(frame)) ^ 1L << bit);
            }
            assertTrue(Label.isLegible(segment.label(frame)));
        }
    }
}
