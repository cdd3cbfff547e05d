// SPDX-License-Identifier: Apache-2.0
package io.backstep.target.region;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;

import io.backstep.core.BackstepException;
import io.backstep.core.BackstepException.Reason;
import org.agrona.MutableDirectBuffer;
import org.agrona.concurrent.UnsafeBuffer;
import org.junit.jupiter.api.Test;

class DetectorsTest {
    private final MutableDirectBuffer view = new UnsafeBuffer(new byte[100_000]);

    @Test
    void shouldNoticeEveryFlippedBitOfARangeAndItsSum() {
        view.setMemory(64, 60, (byte) 7);
        ChecksumDetector detector = new ChecksumDetector("sum", view, 64, 48);
        assertNull(detector.check());
        for (int bit = 0; bit < (48 + ChecksumDetector.SUM_BYTES) * 8; bit++) {
            flip(64 + bit / 8, bit % 8);
            assertNotNull(detector.check(), "bit " + bit);
            flip(64 + bit / 8, bit % 8);
        }
        assertNull(detector.check());
    }

    private void flip(int index, int bit) {
        view.putByte(index, (byte) (view.getByte(index) ^ 1 << bit));
    }

    @Test
    void shouldCoverALongRangeAndNothingElse() {
        ChecksumDetector detector = new ChecksumDetector("sum", view, 8, 80_000);
        view.putByte(7, (byte) 1);
        view.putByte(80_008 + ChecksumDetector.SUM_BYTES, (byte) 1);
        assertNull(detector.check());

        view.putByte(80_007, (byte) 1);
        Problem problem = detector.check();
        assertEquals("wrong checksum", problem.what());
        assertTrue(problem.detail().startsWith("80000 bytes at 8 have checksum"), problem.detail());
    }

    @Test
    void shouldAcceptAChangeThatTheApplicationTells() {
        ChecksumDetector detector = new ChecksumDetector("sum", view, 0, 800);
        view.putByte(400, (byte) 1);
        detector.changed();
        assertNull(detector.check());
    }

    @Test
    void shouldNoticeThatAllWasWiped() {
        ChecksumDetector detector = new ChecksumDetector("sum", view, 0, 800);
        view.setMemory(0, 1000, (byte) 0);
        assertNotNull(detector.check());
    }

    @Test
    void shouldRefuseARangeWithoutPlaceForTheSum() {
        assertThrows(IllegalArgumentException.class, () -> new ChecksumDetector("sum", view, 0, 7));
        assertThrows(IndexOutOfBoundsException.class, () -> new ChecksumDetector("sum", view, 0, 100_000));
    }

    @Test
    void shouldNoticeABrokenInvariant() {
        InvariantDetector detector = new InvariantDetector("twins", view, v -> v.getLong(0) == v.getLong(8));
        assertNull(detector.check());
        view.putLong(8, 1);
        assertEquals("broken invariant", detector.check().what());
        assertEquals("twins does not hold", detector.check().detail());
    }

    @Test
    void shouldNotTrustCheckpointsSinceADetectorWasAskedLast() {
        long[] foundNs = new long[1];
        Detectors detectors = new Detectors();
        detectors.add(new Asked(() -> foundNs[0] == 0 ? null : Problem.now("wrong", "wrong")), 2);
        assertNull(detectors.beforeCapture());
        assertNull(detectors.beforeCapture()); // asked
        long passedNs = System.nanoTime();
        assertNull(detectors.beforeCapture());
        long nextNs = System.nanoTime();
        foundNs[0] = 1;

        Problem problem = detectors.beforeCapture();

        assertTrue(problem.latestNs() - passedNs >= 0 && problem.latestNs() - nextNs <= 0, "not between");
    }

    @Test
    void shouldKnowThatAnErrorCameAfterADetectorFoundNothing() {
        boolean[] isWrong = new boolean[1];
        Detectors detectors = new Detectors();
        detectors.add(new Asked(() -> isWrong[0] ? Problem.now("wrong", "wrong") : null), 1);
        assertNull(detectors.beforeCapture());
        long rollbackNs = System.nanoTime();
        isWrong[0] = true;
        assertTrue(detectors.afterRollback().earliestNs().getAsLong() - rollbackNs < 0, "it was restored, too");

        isWrong[0] = false;
        assertNull(detectors.afterRollback());
        isWrong[0] = true;
        assertTrue(detectors.beforeCapture().earliestNs().getAsLong() - rollbackNs > 0, "it is new");
    }

    @Test
    void shouldTrustWhatWasFoundWellAfterARollback() {
        boolean[] isWrong = new boolean[1];
        Detectors detectors = new Detectors();
        detectors.add(new Asked(() -> isWrong[0] ? Problem.now("wrong", "wrong") : null), 3);
        detectors.beforeCapture();
        detectors.afterRollback();
        long wellNs = System.nanoTime();
        detectors.beforeCapture(); // not asked
        isWrong[0] = true;

        assertTrue(detectors.beforeCapture().latestNs() - wellNs >= 0);
    }

    @Test
    void shouldTakeADetectorThatFailsAfterARollbackForSilent() {
        Detectors detectors = new Detectors();
        detectors.add(new Asked(() -> {
            throw new AssertionError("not equal");
        }), 1);
        assertNull(detectors.afterRollback());
    }

    @Test
    void shouldKeepTheTimeThatADetectorKnows() {
        long occurredNs = System.nanoTime() - TimeUnit.SECONDS.toNanos(1);
        Detectors detectors = new Detectors();
        detectors.add(new Asked(() -> new Problem("old", "old", occurredNs)), 1);
        assertEquals(occurredNs, detectors.beforeCapture().latestNs());
    }

    @Test
    void shouldFailTheCaptureWhenADetectorFails() {
        Detectors detectors = new Detectors();
        detectors.add(new Asked(() -> {
            throw new AssertionError("not equal");
        }), 1);
        BackstepException e = assertThrows(BackstepException.class, detectors::beforeCapture);
        assertEquals(Reason.FAILED, e.reason());
    }

    private record Asked(Supplier<Problem> answer) implements Detector {
        @Override
        public String name() {
            return "asked";
        }

        @Override
        public Problem check() {
            return answer.get();
        }
    }
}
