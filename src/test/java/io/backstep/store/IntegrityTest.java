// SPDX-License-Identifier: Apache-2.0
package io.backstep.store;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.backstep.core.BackstepException;
import io.backstep.core.BackstepException.Reason;
import io.backstep.core.Capture;
import io.backstep.core.Checkpoint;
import io.backstep.core.PageRanges;
import io.backstep.core.PageWrites;
import io.backstep.core.Pages;
import io.backstep.store.Flips.Place;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * A store whose memory is struck again and again, beside a model that knows what is right: no rollback is ever planned
 * with wrong bytes. {@code -Dbackstep.seed} replays, {@code -Dbackstep.flips} goes on for longer.
 */
class IntegrityTest {
    private static final long[] AREAS = {0, 500, 1L << 20, 1L << 45};
    private static final int AREA_PAGES = 50;
    private static final int MOST_KEPT = 6;
    private static final Place[] PLACES = Place.values();

    private final long seed = Long.getLong("backstep.seed", System.nanoTime());
    private final int flips = Integer.getInteger("backstep.flips", 10_000);
    private final SplittableRandom random = new SplittableRandom(seed);
    private final Capture capture = new Capture();
    private final PageRanges written = new PageRanges();
    private final PageWrites writes = new PageWrites();
    private final ModelTarget target = new ModelTarget();
    private CheckpointStore store;
    private long lastId;
    private int rollbacks;
    private int refusals;
    private int starts;

    @ParameterizedTest
    @EnumSource(Redundancy.class)
    void shouldNeverPlanARollbackWithWrongBytes(Redundancy redundancy) {
        run(redundancy, () -> {
            int struck = 0;
            while (struck < flips) {
                live();
                for (int i = random.nextInt(3); i >= 0; i--) {
                    struck += new Flips(store, random).strike(PLACES[random.nextInt(PLACES.length)]) ? 1 : 0;
                }
                lookOrGoBack();
            }
        });

        assertTrue(rollbacks > flips / 20, rollbacks + " rollbacks");
        assertTrue(refusals > flips / 100, refusals + " refusals");
        assertTrue(starts < flips / 20, starts + " times nothing was known any more");
    }

    @ParameterizedTest
    @EnumSource(value = Redundancy.class, names = {"PARITY", "MIRROR"})
    void shouldRepairEverySingleFrame(Redundancy redundancy) {
        run(redundancy, () -> {
            for (int struck = 0; struck < flips; struck++) {
                live();
                new Flips(store, random).strike(random.nextBoolean() ? Place.MIRRORED_FRAME : Place.LOGGED_FRAME);
                lookAtAll();
                if (random.nextInt(3) == 0) {
                    goBack();
                }
            }
        });

        IntegrityCounts counts = store.integrity();
        assertEquals(0, refusals);
        assertEquals(0, counts.checkpointsLost());
        assertEquals(counts.broken(), counts.repaired());
        assertTrue(counts.broken() > flips / 2, counts.toString());
    }

    private void run(Redundancy redundancy, Runnable test) {
        try (CheckpointStore made = new CheckpointStore(64L << 20, redundancy, state -> { }); capture; written; writes; target) {
            store = made;
            test.run();
        } catch (Throwable e) {
            throw new AssertionError("replay with -Dbackstep.seed=" + seed + " -Dbackstep.flips=" + flips, e);
        }
    }

    /** Some intervals of a program's life. */
    private void live() {
        for (int i = random.nextInt(3); i >= 0; i--) {
            change();
            if (!publish()) {
                startAgain();
            }
        }
        change();
    }

    private void change() {
        for (int i = random.nextInt(6); i >= 0; i--) {
            long first = page();
            target.write(first, first + 1 + random.nextInt(4));
        }
        if (random.nextInt(3) == 0) {
            long first = page();
            target.drop(first, first + 1 + random.nextInt(10));
        }
    }

    private long page() {
        return AREAS[random.nextInt(AREAS.length)] + random.nextInt(AREA_PAGES);
    }

    private boolean publish() {
        assertTrue(store.supply(capture.frames(), target.dirtyPages()));
        target.capture(capture);
        try {
            target.published(store.publish(capture.state(new CountedState()), ++lastId));
        } catch (BackstepException e) {
            assertEquals(Reason.UNFIT, e.reason());
            return false;
        }
        List<Checkpoint> kept = store.checkpoints();
        while (kept.size() > MOST_KEPT) {
            Checkpoint excess = kept.get(random.nextBoolean() ? 0 : random.nextInt(MOST_KEPT));
            store.drop(excess);
            target.dropped(excess);
        }
        return true;
    }

    /** As for a new target, when it is not known any more what was where. */
    private void startAgain() {
        starts++;
        store.clear();
        target.startOver();
    }

    private void lookOrGoBack() {
        switch (random.nextInt(4)) {
            case 0 -> lookAtAll();
            case 1 -> store.scrub(random.nextInt(1, 40));
            default -> goBack();
        }
    }

    private void lookAtAll() {
        for (long at = 0; at < store.arena().frames(); at += 64) {
            store.scrub(64);
        }
    }

    private void goBack() {
        List<Checkpoint> kept = store.checkpoints();
        int first = kept.isEmpty() ? 0 : random.nextInt(kept.size());
        for (int i = 0; i < kept.size(); i++) {
            try {
                target.rollBack(store, kept.get((first + i) % kept.size()), written, writes);
                rollbacks++;
                return;
            } catch (BackstepException e) {
                assertEquals(Reason.REFUSED, e.reason());
                refusals++;
            }
        }
    }
}
