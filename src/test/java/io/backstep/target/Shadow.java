// SPDX-License-Identifier: Apache-2.0
package io.backstep.target;

import static io.backstep.core.Pages.PAGE_SIZE;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.function.Supplier;

import io.backstep.core.Capture;
import io.backstep.core.ExecutionState;
import io.backstep.core.LongVector;
import io.backstep.core.PageRanges;
import io.backstep.core.PageWrites;
import io.backstep.core.Pages;
import io.backstep.core.PreImages;
import io.backstep.core.Target;
import org.agrona.UnsafeApi;
import org.agrona.concurrent.UnsafeBuffer;

/**
 * What a target's captures tell, kept by the plainest means: a copy of every page for every moment. It owns the frames, and the states of
 * the moments.
 *
 * <p>A target that saves pages by itself does not tell what they are: that is looked at. What it saved must be what was seen at the
 * moment before, and what differs from then must have been told.
 */
final class Shadow implements AutoCloseable {
    private static final long FRAMES_AT_ONCE = 256;

    /** One complete capture, and the pages that were written or dropped after it as far as captures have told. */
    static final class Moment {
        final ExecutionState state;
        final SortedMap<Long, byte[]> pages;
        final TreeSet<Long> changedSince = new TreeSet<>();

        private Moment(ExecutionState state, SortedMap<Long, byte[]> pages) {
            this.state = state;
            this.pages = pages;
        }
    }

    private static final long POOL_FRAMES = 16_384;
    private static final long LAST_PAGE = 1L << 35;
    private static final byte[] NOTHING = new byte[PAGE_SIZE];

    private final Target target;
    private final Supplier<SortedMap<Long, byte[]>> own;
    private SortedMap<Long, byte[]> seen;
    private String complaint;
    private final Capture capture = new Capture();
    private final TreeMap<Long, byte[]> pages = new TreeMap<>();
    private final List<Moment> moments = new ArrayList<>();
    private final List<ExecutionState> states = new ArrayList<>();
    private final List<Long> memory = new ArrayList<>();
    private final PageRanges written = new PageRanges();
    private final PageRanges toldBefore = new PageRanges();
    private final PreImages saved = new PreImages();
    private final PageWrites writes = new PageWrites();
    private final UnsafeBuffer frame = new UnsafeBuffer(0, 0);

    /**
     * @param own gives the target's pages with content of their own, or null while it runs
     */
    Shadow(Target target, Supplier<SortedMap<Long, byte[]>> own) {
        this.target = target;
        this.own = own;
        if (target.pool() != null) {
            try (LongVector spare = new LongVector()) {
                for (long i = 0; i < POOL_FRAMES; i += FRAMES_AT_ONCE) {
                    long address = newFrames();
                    for (long k = 0; k < FRAMES_AT_ONCE; k++) {
                        spare.add(address + Pages.toBytes(k));
                    }
                }
                target.pool().add(spare, 0);
            }
        }
    }

    private long newFrames() {
        long address = UnsafeApi.allocateMemory(Pages.toBytes(FRAMES_AT_ONCE));
        memory.add(address);
        return address;
    }

    /** What the last capture gave. */
    Capture lastCapture() {
        return capture;
    }

    /** The pages with content of their own, as of the last complete capture or rollback. */
    SortedMap<Long, byte[]> pages() {
        return pages;
    }

    /** Has exactly that many frames ready, whatever the next capture needs. */
    void frames(long count) {
        if (capture.frames().size() > count) {
            capture.frames().truncate(count);
        }
        while (capture.frames().size() < count) {
            long address = newFrames();
            for (long i = 0; i < FRAMES_AT_ONCE && capture.frames().size() < count; i++) {
                capture.frames().add(address + Pages.toBytes(i));
            }
        }
    }

    /** Begins a capture, or goes on with one, with the frames that are ready. True when it is done. */
    boolean tryCapture() {
        if (capture.state() == null) {
            capture.state(newState());
        }
        return target.capture(capture);
    }

    /** A whole capture, with as many frames as it asks for. */
    Moment capture() {
        while (!tryCapture()) {
            frames(capture.framesNeeded());
        }
        return moment();
    }

    /** What a capture that is done has told. */
    Moment moment() {
        TreeSet<Long> changed = new TreeSet<>();
        for (long i = 0; i < capture.dropped().rangeCount(); i++) {
            for (long page = capture.dropped().first(i); page < capture.dropped().end(i); page++) {
                pages.remove(page);
                changed.add(page);
            }
        }
        for (long i = 0; i < capture.pages().size(); i++) {
            byte[] bytes = new byte[PAGE_SIZE];
            frame.wrap(capture.frames().get(i), PAGE_SIZE);
            frame.getBytes(0, bytes);
            pages.put(capture.pages().get(i), bytes);
            changed.add(capture.pages().get(i));
        }
        if (target.pool() != null) {
            takeInSaved(changed);
        }
        moments.forEach(earlier -> earlier.changedSince.addAll(changed));
        Moment moment = new Moment(capture.state(), new TreeMap<>(pages));
        capture.state(null);
        moments.add(moment);
        return moment;
    }

    private void takeInSaved(TreeSet<Long> changed) {
        SortedMap<Long, byte[]> now = own.get();
        try (LongVector spare = new LongVector()) {
            for (long i = 0; i < capture.saved().pages().size(); i++) {
                long page = capture.saved().pages().get(i);
                long address = capture.saved().frames().get(i);
                changed.add(page);
                if (address != 0) {
                    byte[] bytes = new byte[PAGE_SIZE];
                    frame.wrap(address, PAGE_SIZE);
                    frame.getBytes(0, bytes);
                    if (seen != null && !Arrays.equals(bytes, seen.getOrDefault(page, NOTHING))) {
                        complaint = "page " + Long.toHexString(page) + " was saved otherwise than it was";
                    }
                    spare.add(address);
                }
            }
            target.pool().add(spare, 0);
        }
        complaint = complaint == null && seen != null && now != null ? untold(changed, now) : complaint;
        seen = now;
        pages.clear();
        pages.putAll(now == null ? new TreeMap<>() : now);
    }

    private String untold(TreeSet<Long> changed, SortedMap<Long, byte[]> now) {
        TreeSet<Long> all = new TreeSet<>(seen.keySet());
        all.addAll(now.keySet());
        for (long page : all) {
            if (!changed.contains(page)
                    && !Arrays.equals(seen.getOrDefault(page, NOTHING), now.getOrDefault(page, NOTHING))) {
                return "page " + Long.toHexString(page) + " has changed, which was not told";
            }
        }
        return null;
    }

    /** Makes the next captures of a target that saves pages by itself copy all that was written. */
    void predictAll() {
        capture.predicted().clear();
        if (target.pool() != null) {
            capture.predicted().add(0, LAST_PAGE);
        }
    }

    void predictNothing() {
        capture.predicted().clear();
    }

    /** Makes the next capture lift the protection of a page. */
    void liftOnly(long page) {
        capture.lifted().clear();
        capture.lifted().add(page, page + 1);
    }

    void liftNothing() {
        capture.lifted().clear();
    }

    private ExecutionState newState() {
        ExecutionState state = target.newState();
        states.add(state);
        return state;
    }

    /** Puts the target back to a moment. It stays halted, and later moments are void. */
    void rollBack(Moment moment) {
        target.lookBack(toldBefore, saved);
        if (!moment.state.isIntact()) {
            throw new IllegalStateException("the state of a moment is not what it was");
        }
        target.beginRollback(moment.state, written, saved);
        requireTold(moment);
        TreeSet<Long> changed = new TreeSet<>(moment.changedSince);
        addWritten(changed);
        for (long i = 0; i < saved.pages().size(); i++) {
            changed.add(saved.pages().get(i));
        }
        finishRollback(moment, changed);
        while (target.spoiledByRollback(written)) {
            addWritten(changed);
            finishRollback(moment, changed);
        }
        seen = target.pool() == null ? null : own.get();
        pages.clear();
        pages.putAll(moment.pages);
        moment.changedSince.clear();
        moments.subList(moments.indexOf(moment) + 1, moments.size()).clear();
    }

    private void addWritten(TreeSet<Long> changed) {
        for (long i = 0; i < written.rangeCount(); i++) {
            for (long page = written.first(i); page < written.end(i); page++) {
                changed.add(page);
            }
        }
    }

    /** What a rollback writes must be known before it touches the target, so that it can be looked at. */
    private void requireTold(Moment moment) {
        long range = 0;
        for (long i = 0; i < written.rangeCount(); i++) {
            for (long page = written.first(i); page < written.end(i); page++) {
                range = toldBefore.seek(range, page);
                if (!toldBefore.has(range, page) && !moment.changedSince.contains(page)) {
                    throw new IllegalStateException(
                            "page " + Long.toHexString(page) + " was not told of before the rollback");
                }
            }
        }
    }

    private void finishRollback(Moment moment, TreeSet<Long> changed) {
        long address = UnsafeApi.allocateMemory(Pages.toBytes(changed.size() + 1));
        long next = address;
        writes.clear();
        for (long page : changed) {
            byte[] bytes = moment.pages.get(page);
            if (bytes == null) {
                writes.drop(page);
            } else {
                frame.wrap(next, PAGE_SIZE);
                frame.putBytes(0, bytes);
                writes.write(page, next);
                next += PAGE_SIZE;
            }
        }
        target.finishRollback(moment.state, writes);
        UnsafeApi.freeMemory(address);
    }

    /** Whether the pages with content of their own are what the captures have told; the first complaint, or null. */
    String differenceFrom(SortedMap<Long, byte[]> own) {
        if (complaint != null) {
            return complaint;
        }
        for (SortedMap.Entry<Long, byte[]> entry : own.entrySet()) {
            byte[] told = pages.get(entry.getKey());
            if (!Arrays.equals(told, entry.getValue())) {
                return "page " + Long.toHexString(entry.getKey()) + (told == null ? " was never told" : " was told otherwise");
            }
        }
        for (SortedMap.Entry<Long, byte[]> entry : pages.entrySet()) {
            if (!own.containsKey(entry.getKey()) && !Arrays.equals(entry.getValue(), new byte[PAGE_SIZE])) {
                return "page " + Long.toHexString(entry.getKey()) + " is gone, which was not told";
            }
        }
        return null;
    }

    @Override
    public void close() {
        states.forEach(ExecutionState::close);
        capture.close();
        written.close();
        toldBefore.close();
        saved.close();
        writes.close();
        memory.forEach(UnsafeApi::freeMemory);
        memory.clear();
    }
}
