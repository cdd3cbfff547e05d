// SPDX-License-Identifier: Apache-2.0
package io.backstep.target;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.SortedMap;
import java.util.function.LongSupplier;

import io.backstep.core.BackstepException;
import io.backstep.core.BackstepException.Reason;
import io.backstep.core.Target;
import io.backstep.core.TargetEvent;
import io.backstep.core.TargetEvent.Kind;
import org.junit.jupiter.api.Test;

class FakeTargetTest extends ProgramContractTest {
    private static final long MS = 1_000_000;

    private final ManualClock clock = new ManualClock();
    private final FakeTarget fake = new FakeTarget(clock, FakeTarget::busy);
    private final TargetEvent event = new TargetEvent();

    @Override
    protected Target open() {
        fake.endsAt(3_000 * MS, 0);
        fake.start();
        return fake;
    }

    @Override
    protected SortedMap<Long, byte[]> image() {
        return fake.pages();
    }

    @Override
    protected SortedMap<Long, byte[]> ownPages() {
        return fake.pages();
    }

    @Override
    protected boolean isStanding() {
        return fake.isStanding();
    }

    @Override
    protected LongSupplier clock() {
        return clock;
    }

    @Override
    protected void assertEndsWellAlone() {
        fake.runAlone(5_000 * MS);
        assertEquals(3_000 * MS, fake.progressNs());
    }

    @Override
    protected void assertNothingIsLeft() {
        assertEquals(0, fake.openStates());
    }

    @Test
    void shouldForgetATransientErrorWithTheRollback() {
        try (Shadow shadow = new Shadow(fake, () -> null)) {
            Shadow.Moment moment = shadow.capture();
            fake.errorAt(clock.getAsLong() + 3 * MS, "SIGFPE");
            fake.resume();
            fake.await(clock.getAsLong() + 10 * MS, event);
            assertEquals(Kind.ERROR, event.kind());
            assertEquals("SIGFPE", event.what());
            assertEquals(Reason.OVERTAKEN, assertThrows(BackstepException.class, shadow::capture).reason());

            shadow.rollBack(moment);
            fake.resume();
            fake.await(clock.getAsLong() + 10 * MS, event);

            assertEquals(Kind.NONE, event.kind());
        }
    }

    @Test
    void shouldStumbleOverACorruptionUntilItIsRolledBackPastIt() {
        try (Shadow shadow = new Shadow(fake, () -> null)) {
            Shadow.Moment sound = shadow.capture();
            fake.corruptAt(clock.getAsLong() + 2 * MS, 20 * MS);
            fake.resume();
            fake.await(clock.getAsLong() + 5 * MS, event);
            Shadow.Moment corrupt = shadow.capture();
            for (int i = 0; i < 2; i++) {
                fake.await(clock.getAsLong() + 50 * MS, event);
                assertEquals(Kind.ERROR, event.kind());
                assertEquals(22 * MS, fake.progressNs());
                shadow.rollBack(corrupt);
                fake.resume();
            }

            shadow.rollBack(sound);
            fake.resume();
            fake.await(clock.getAsLong() + 50 * MS, event);

            assertEquals(Kind.NONE, event.kind());
        }
    }

    @Test
    void shouldEndByItsErrorWhenItIsLetRunIntoIt() {
        fake.failsFrom(4 * MS);
        fake.resume();
        fake.await(clock.getAsLong() + 50 * MS, event);
        assertEquals(Kind.ERROR, event.kind());

        fake.resumeIntoError();
        fake.await(clock.getAsLong() + 50 * MS, event);

        assertEquals(Kind.ENDED, event.kind());
        assertEquals("SIGABRT", event.exitSignal());
    }

    @Test
    void shouldStandAsAnotherWhenItWasReplaced() {
        fake.replaceAt(clock.getAsLong() + 4 * MS);
        fake.resume();

        fake.await(clock.getAsLong() + 50 * MS, event);

        assertEquals(Kind.REPLACED, event.kind());
        assertTrue(fake.isStanding());
        assertEquals(0, fake.progressNs());
    }
}
