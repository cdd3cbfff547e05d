// SPDX-License-Identifier: Apache-2.0
package io.backstep.store;

import io.backstep.core.Checkpoint;
import io.backstep.core.LongVector;
import io.backstep.core.Pages;
import java.lang.reflect.Field;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.SplittableRandom;
import org.agrona.UnsafeApi;

/** Strikes the memory of a store: inverts one or a few bits of one word. */
final class Flips {
    /** What is struck. */
    enum Place {
        MIRRORED_FRAME, LOGGED_FRAME, LOG_PAGES, LOG_FRAMES, LEAF, DIRECTORY, LABEL, STATE, FREE_FRAME, FREE_LIST, SPARE
    }

    private static final int MOST_BITS = 4;

    private final CheckpointStore store;
    private final SplittableRandom random;

    Flips(CheckpointStore store, SplittableRandom random) {
        this.store = store;
        this.random = random;
    }

    /** False if there is no such place now. */
    boolean strike(Place place) {
        return switch (place) {
            case MIRRORED_FRAME -> flipOneOf(words(Owner::isMirror));
            case LOGGED_FRAME -> flipOneOf(words(Owner::isLog));
            case FREE_FRAME -> flipOneOf(words(Owner::isFree));
            case FREE_LIST -> flipFreeList();
            case SPARE -> flipOneOf(spares());
            case LEAF -> flipOneOf(entries());
            case LABEL -> flipOneOf(labels());
            case LOG_PAGES -> flipOneOf(log(UndoLog::pages));
            case LOG_FRAMES -> flipOneOf(log(UndoLog::frames));
            case DIRECTORY -> flipDirectory();
            case STATE -> flipState();
        };
    }

    private interface Kind {
        boolean has(long owner);
    }

    private interface Part {
        LongVector of(UndoLog log);
    }

    /** A random word of each frame of a kind. */
    private List<Long> words(Kind kind) {
        List<Long> words = new ArrayList<>();
        for (long frame : frames(kind)) {
            words.add(frame + random.nextInt(Pages.PAGE_SIZE / Long.BYTES) * Long.BYTES);
        }
        return words;
    }

    private List<Long> frames(Kind kind) {
        List<Long> frames = new ArrayList<>();
        FrameArena arena = store.arena();
        for (long frame = arena.next(0); frame != 0; frame = arena.next(frame + Pages.PAGE_SIZE)) {
            if (kind.has(arena.owner(frame))) {
                frames.add(frame);
            }
        }
        return frames;
    }

    /** Entries that are in use, and some that are not. */
    private List<Long> entries() {
        List<Long> entries = new ArrayList<>();
        for (long leaf : frames(Owner::isLeaf)) {
            for (long entry = leaf; entry < leaf + Pages.PAGE_SIZE; entry += Long.BYTES) {
                if (UnsafeApi.getLong(entry) != 0 || random.nextInt(50) == 0) {
                    entries.add(entry);
                }
            }
        }
        return entries;
    }

    private List<Long> labels() {
        List<Long> words = new ArrayList<>();
        for (long frame : frames(owner -> !Owner.isFree(owner))) {
            words.add(store.arena().label(frame) + random.nextInt(Label.BYTES / Long.BYTES) * Long.BYTES);
        }
        return words;
    }

    /** A random word of each frame that others are repaired from. */
    private List<Long> spares() {
        List<Long> words = new ArrayList<>();
        Segments segments = field(FrameArena.class, "segments", store.arena());
        for (int i = 0; i < segments.count(); i++) {
            Segment segment = segments.get(i);
            for (long frame = segment.endFrame(); frame < segment.label(segment.firstFrame()); frame += Pages.PAGE_SIZE) {
                words.add(frame + random.nextInt(Pages.PAGE_SIZE / Long.BYTES) * Long.BYTES);
            }
        }
        return words;
    }

    private List<Long> log(Part part) {
        List<Long> words = new ArrayList<>();
        for (UndoLog log : store.logs()) {
            for (long i = 0; i < log.size(); i++) {
                words.add(part.of(log).address() + i * Long.BYTES);
            }
        }
        return words;
    }

    private boolean flipOneOf(List<Long> words) {
        if (words.isEmpty()) {
            return false;
        }
        long word = words.get(random.nextInt(words.size()));
        // As if a word were lost, now and then: the hardest to see of where it means that nothing is there.
        long mask = random.nextInt(20) == 0 ? UnsafeApi.getLong(word) : mask();
        UnsafeApi.putLong(word, UnsafeApi.getLong(word) ^ mask);
        return mask != 0;
    }

    private long mask() {
        long mask = 0;
        for (int i = random.nextInt(MOST_BITS); i >= 0; i--) {
            mask |= 1L << random.nextInt(Long.SIZE);
        }
        return mask;
    }

    /** A word of the rows in use, or of those behind them. */
    private boolean flipDirectory() {
        LeafDirectory directory = field(PageTable.class, "directory", store.mirror());
        long[] words = field(LeafDirectory.class, "words", directory);
        words[random.nextInt(random.nextBoolean() ? Math.max(1, directory.endRow()) : words.length)] ^= mask();
        return true;
    }

    private boolean flipFreeList() {
        Segments segments = field(FrameArena.class, "segments", store.arena());
        if (segments.count() == 0) {
            return false;
        }
        Segment segment = segments.get(random.nextInt(segments.count()));
        BitSet free = field(Segment.class, "free", segment);
        for (int i = random.nextInt(MOST_BITS); i >= 0; i--) {
            free.flip(random.nextInt(free.size()));
        }
        return true;
    }

    @SuppressWarnings("unchecked")
    private static <T> T field(Class<?> of, String name, Object owner) {
        try {
            Field field = of.getDeclaredField(name);
            field.setAccessible(true);
            return (T) field.get(owner);
        } catch (ReflectiveOperationException e) {
            throw new AssertionError(e);
        }
    }

    private boolean flipState() {
        List<Checkpoint> kept = store.checkpoints();
        if (kept.isEmpty()) {
            return false;
        }
        ((CountedState) kept.get(random.nextInt(kept.size())).state()).flip(mask());
        return true;
    }
}
