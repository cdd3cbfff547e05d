// SPDX-License-Identifier: Apache-2.0
package io.backstep.store;

import static io.backstep.store.ModelTarget.NOTHING_SAVED;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.backstep.core.Capture;
import io.backstep.core.Checkpoint;
import io.backstep.core.PageRanges;
import io.backstep.core.PageWrites;
import io.backstep.core.Pages;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * A store beside a model that cannot be wrong: after each random step every page of every kept checkpoint is compared
 * byte by byte, and every frame is looked for. {@code -Dbackstep.seed} replays, {@code -Dbackstep.steps} goes on for
 * longer.
 */
class CheckpointStoreModelTest {
    // Within a leaf, across the border of two, and far away from the others.
    private static final long[] AREAS = {0, 500, 1L << 20, 1L << 45};
    private static final int AREA_PAGES = 50;
    private static final int MOST_KEPT = 7;

    private final Capture capture = new Capture();
    private final PageRanges written = new PageRanges();
    private final PageWrites writes = new PageWrites();
    private final ModelTarget target = new ModelTarget();
    private CheckpointStore store;
    private SplittableRandom random;
    private long lastId;
    private int statesMade;
    private int statesRecycled;
    private int rollbacks;
    private int refusals;
    private long leftOut;

    @ParameterizedTest(name = "budget of {0} frames")
    @ValueSource(longs = {100_000, 320, 250})
    void shouldHoldEveryCheckpointWhateverHappens(long budgetFrames) {
        long seed = Long.getLong("backstep.seed", System.nanoTime());
        int steps = Integer.getInteger("backstep.steps", 4_000);
        random = new SplittableRandom(seed);
        try (CheckpointStore made = new CheckpointStore(Pages.toBytes(budgetFrames), state -> statesRecycled++);
                capture; written; writes; target) {
            store = made;
            for (int step = 0; step < steps; step++) {
                String did = "nothing";
                try {
                    did = step();
                    target.assertHeldBy(store);
                    target.assertFramesAccountedFor(store, capture);
                    assertEquals(statesMade, statesRecycled + store.checkpoints().size());
                } catch (Throwable e) {
                    throw new AssertionError("step " + step + " (" + did + ") with a budget of " + budgetFrames
                            + " frames; replay with -Dbackstep.seed=" + seed + " -Dbackstep.steps=" + steps, e);
                }
            }
        }
        if (steps >= 1_000) {
            assertTrue(rollbacks > steps / 50, rollbacks + " rollbacks");
            assertTrue(leftOut > steps / 50, leftOut + " pages left out; seed " + seed);
            assertEquals(budgetFrames < 1_000, refusals > 0, refusals + " refusals");
        }
    }

    private String step() {
        switch (random.nextInt(20)) {
            case 0, 1, 2, 3, 4, 5 -> {
                write();
                return "write";
            }
            case 6 -> {
                long first = page();
                target.touch(first, first + 1 + random.nextInt(40));
                return "touch pages";
            }
            case 7 -> {
                long first = page();
                target.drop(first, first + 1 + random.nextInt(40));
                return "drop pages";
            }
            case 8, 9, 10, 11, 12, 13 -> {
                if (store.checkpoints().isEmpty() && random.nextBoolean()) {
                    return preload();
                }
                return publish();
            }
            case 14, 15, 16 -> {
                return dropACheckpoint();
            }
            case 17, 18 -> {
                return rollBack();
            }
            default -> {
                return random.nextInt(10) == 0 ? clear() : "nothing";
            }
        }
    }

    private long page() {
        return AREAS[random.nextInt(AREAS.length)] + random.nextInt(AREA_PAGES);
    }

    private void write() {
        for (int i = random.nextInt(8); i >= 0; i--) {
            long first = page();
            target.write(first, first + 1 + (random.nextInt(3) == 0 ? random.nextInt(20) : 0));
        }
    }

    /** Frames for what is dirty; when the budget is short, at the cost of old checkpoints, or of all. */
    private boolean supply() {
        long count = target.dirtyPages() + random.nextInt(10);
        while (!store.supply(capture.frames(), count)) {
            refusals++;
            if (count > target.dirtyPages()) {
                count = target.dirtyPages();
            } else if (store.checkpoints().size() > 1) {
                drop(store.checkpoints().get(0));
            } else {
                clear();
                return false;
            }
        }
        return true;
    }

    private String preload() {
        if (!supply()) {
            return "preload without frames";
        }
        target.capture(capture);
        store.preload(capture);
        return "preload";
    }

    private String publish() {
        if (!supply()) {
            return "publish without frames";
        }
        target.capture(capture);
        if (random.nextInt(4) == 0) {
            // Ranges may name pages that never had content.
            capture.dropped().add(1L << 50, (1L << 50) + random.nextInt(5_000) + 1);
        }
        statesMade++;
        lastId += 1 + random.nextInt(3);
        if (random.nextBoolean()) {
            leaveOutUnchanged();
        }
        target.published(store.publish(capture.state(new CountedState()), lastId));
        if (store.checkpoints().size() > MOST_KEPT) {
            drop(store.checkpoints().get(random.nextInt(MOST_KEPT)));
        }
        return "publish";
    }

    private void leaveOutUnchanged() {
        written.clear();
        for (long area : AREAS) {
            long first = area + random.nextInt(AREA_PAGES);
            written.add(first, first + random.nextInt(AREA_PAGES));
        }
        long before = capture.pages().size();
        store.leaveOutUnchanged(capture, written);
        leftOut += before - capture.pages().size();
    }

    private String dropACheckpoint() {
        List<Checkpoint> kept = store.checkpoints();
        if (kept.size() < 2) {
            return "drop nothing";
        }
        drop(kept.get(random.nextInt(kept.size() - 1)));
        return "drop";
    }

    private void drop(Checkpoint checkpoint) {
        store.drop(checkpoint);
        target.dropped(checkpoint);
    }

    private String rollBack() {
        List<Checkpoint> kept = store.checkpoints();
        if (kept.isEmpty()) {
            return "roll back to nothing";
        }
        int index = random.nextInt(kept.size());
        if (random.nextInt(5) == 0) {
            // A plan that is given up, as before an escalation, must change nothing.
            store.plan(kept.get(random.nextInt(kept.size())), written, NOTHING_SAVED, writes);
        }
        target.rollBack(store, kept.get(index), written, writes);
        rollbacks++;
        return "roll back";
    }

    private String clear() {
        store.clear();
        target.startOver();
        return "clear";
    }
}
