// SPDX-License-Identifier: Apache-2.0
package io.backstep.engine;

import static io.backstep.retain.Retention.UNKNOWN_NS;
import static org.junit.jupiter.api.Assertions.assertEquals;

import io.backstep.retain.ErrorLatency;
import io.backstep.retain.LatencyObservations;
import io.backstep.retain.LearntLatency;
import org.junit.jupiter.api.Test;

class LessonsTest {
    private static final long MS = 1_000_000;
    /** Each of its parts lies between two of the bounds below. */
    private static final ErrorLatency STATED = ErrorLatency.parse("mix:0.25*uniform:1ms..2ms+0.25*uniform:11ms..12ms"
            + "+0.25*uniform:21ms..22ms+0.25*uniform:31ms..32ms");

    private final LatencyObservations observations = new LatencyObservations();
    private final Lessons lessons = new Lessons(observations);

    /** Learns one error; where it is, of the four parts, as far as that is known. */
    private void assertLearnt(double first, double second, double third, double fourth) {
        assertEquals(1, observations.count());
        ErrorLatency learnt = LearntLatency.of(STATED, observations);
        double[] shares = {first, second, third, fourth};
        for (int i = 0; i < 4; i++) {
            double mass = learnt.atMost((10 * i + 9) * MS) - (i == 0 ? 0 : learnt.atMost((10 * i - 1) * MS));
            assertEquals((20 * 0.25 + shares[i]) / 21, mass, 1e-4, "part " + i);
        }
    }

    @Test
    void shouldLearnFromAFaultWhoseTimeIsKnown() {
        lessons.noticed(100 * MS, 79 * MS, 79 * MS, 79 * MS);
        lessons.restored(50 * MS);
        lessons.settle();

        assertLearnt(0, 0, 1, 0);
    }

    @Test
    void shouldLearnBetweenWhichTimesADetectorKnowsItToBe() {
        lessons.noticed(100 * MS, UNKNOWN_NS, 75 * MS, 95 * MS);
        lessons.settle();

        assertLearnt(0, 0.5, 0.5, 0);
    }

    @Test
    void shouldLearnFromAnAttemptThatFailedAndOneThatDidNot() {
        lessons.noticed(100 * MS, UNKNOWN_NS, UNKNOWN_NS, 100 * MS);
        lessons.restored(95 * MS);
        lessons.cameBack();
        lessons.restored(85 * MS);
        lessons.settle();

        assertLearnt(0, 1, 0, 0);
    }

    @Test
    void shouldLearnThatAllThatWasKeptWasTooYoung() {
        lessons.noticed(100 * MS, UNKNOWN_NS, UNKNOWN_NS, 100 * MS);
        lessons.restored(85 * MS);
        lessons.cameBack();
        lessons.settle();

        assertLearnt(0, 0, 0.5, 0.5);
    }

    @Test
    void shouldLearnFromAFirstAttemptThatHelped() {
        lessons.noticed(100 * MS, UNKNOWN_NS, UNKNOWN_NS, 100 * MS);
        lessons.restored(85 * MS);
        lessons.noticed(200 * MS, UNKNOWN_NS, UNKNOWN_NS, 200 * MS);

        assertLearnt(0.5, 0.5, 0, 0);
    }

    @Test
    void shouldNotTakeARollbackForAHelpAtTheEndOfTheRun() {
        lessons.noticed(100 * MS, UNKNOWN_NS, UNKNOWN_NS, 100 * MS);
        lessons.restored(95 * MS);
        lessons.end(true);
        assertEquals(0, observations.count());

        lessons.noticed(100 * MS, UNKNOWN_NS, UNKNOWN_NS, 100 * MS);
        lessons.restored(95 * MS);
        lessons.end(false);
        assertLearnt(1, 0, 0, 0);
    }

    @Test
    void shouldLearnNothingFromWhatSomebodyWished() {
        lessons.noticed(100 * MS, UNKNOWN_NS, UNKNOWN_NS, 100 * MS);
        lessons.restored(95 * MS);
        lessons.forget();
        lessons.settle();

        assertEquals(0, observations.count());
    }

    @Test
    void shouldKeepTheLowerBoundWhenTheTwoContradictEachOther() {
        lessons.noticed(100 * MS, UNKNOWN_NS, UNKNOWN_NS, 75 * MS);
        lessons.restored(95 * MS);
        lessons.settle();

        assertLearnt(0, 0, 0, 1);
    }
}
