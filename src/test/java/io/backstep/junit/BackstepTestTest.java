// SPDX-License-Identifier: Apache-2.0
package io.backstep.junit;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.platform.engine.discovery.DiscoverySelectors.selectMethod;

import java.util.ArrayList;
import java.util.List;

import io.backstep.target.process.Victim;
import io.backstep.target.region.Region;
import org.agrona.MutableDirectBuffer;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.platform.testkit.engine.EngineExecutionResults;
import org.junit.platform.testkit.engine.EngineTestKit;
import org.junit.platform.testkit.engine.Event;

class BackstepTestTest {
    private static final long MARK = 0x1234_5678_9abc_def0L;

    @BeforeAll
    static void assumeProtection() {
        Victim.assumeProtection();
    }

    /** What the other tests have JUnit run. */
    static final class Example {
        static final List<BitFlip> FLIPS = new ArrayList<>();
        static int set;

        @BeforeEach
        void setUp(MutableDirectBuffer buffer) {
            set++;
            buffer.putLong(0, buffer.getLong(0) + MARK);
        }

        @BackstepTest(runs = 20, seed = 7, bits = 3, regionBytes = 100_000)
        void shouldFindTheSameStateButForTheFlippedBits(Region region, MutableDirectBuffer buffer, BitFlip flip) {
            FLIPS.add(flip);
            assertEquals(102_400, region.lengthBytes());
            for (int i = 0; i < buffer.capacity(); i += Long.BYTES) {
                long expected = i == 0 ? MARK : 0;
                assertEquals(flip != null && flip.offset() == i ? expected ^ flip.mask() : expected, buffer.getLong(i));
            }
            buffer.setMemory(0, buffer.capacity(), (byte) 0xff);
        }

        @BackstepTest(runs = 3)
        void failing(MutableDirectBuffer buffer) {
            assertEquals(0, buffer.getLong(0));
        }

        @BackstepTest(runs = 5, regionBytes = 8)
        void failingWhenDisturbed(BitFlip flip) {
            assertNull(flip);
        }

        @BackstepTest(bits = 65)
        void tooManyBits() {
        }
    }

    private static EngineExecutionResults results(String method, String... parameterTypes) {
        return EngineTestKit.engine("junit-jupiter")
                .selectors(selectMethod(Example.class, method, String.join(",", parameterTypes))).execute();
    }

    @Test
    void shouldRunFromTheSameStateWithBitsFlipped() {
        Example.FLIPS.clear();
        Example.set = 0;

        EngineExecutionResults results = results("shouldFindTheSameStateButForTheFlippedBits", Region.class.getName(),
                MutableDirectBuffer.class.getName(), BitFlip.class.getName());

        results.testEvents().assertStatistics(events -> events.started(21).succeeded(21));
        assertEquals(21, Example.set);
        assertNull(Example.FLIPS.get(0));
        for (int run = 1; run <= 20; run++) {
            assertEquals(BitFlip.of(7 + run - 1, 102_400, 3), Example.FLIPS.get(run));
            assertEquals(3, Long.bitCount(Example.FLIPS.get(run).mask()));
        }
        assertEquals(20, Example.FLIPS.stream().skip(1).distinct().count());
    }

    @Test
    void shouldNotDisturbWhatFailsUndisturbed() {
        results("failing", MutableDirectBuffer.class.getName()).testEvents()
                .assertStatistics(events -> events.started(4).failed(1).aborted(3));
    }

    @Test
    void shouldTellTheSeedInTheNameOfADisturbedRun() {
        List<Event> failed = results("failingWhenDisturbed", BitFlip.class.getName()).testEvents().failed().list();
        assertEquals(5, failed.size());
        assertTrue(failed.get(0).getTestDescriptor().getDisplayName().matches(
                "disturbed 1: bits [0-9a-f]+ at \\d+, seed [1-9]\\d*"), failed.get(0)::toString);
    }

    @Test
    void shouldRefuseMoreBitsThanAWordHas() {
        results("tooManyBits").containerEvents().assertStatistics(events -> events.failed(1));
    }
}
