// SPDX-License-Identifier: Apache-2.0
package io.backstep.target;

import static io.backstep.core.Pages.PAGE_SIZE;

import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.PriorityQueue;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.atomic.AtomicBoolean;

import io.backstep.core.BackstepException;
import io.backstep.core.BackstepException.Reason;
import io.backstep.core.Capture;
import io.backstep.core.ExecutionState;
import io.backstep.core.FaultSurface;
import io.backstep.core.LongVector;
import io.backstep.core.PageRanges;
import io.backstep.core.PageWrites;
import io.backstep.core.PreImages;
import io.backstep.core.Pages;
import io.backstep.core.Phase;
import io.backstep.core.Target;
import io.backstep.core.TargetEvent;
import org.agrona.concurrent.UnsafeBuffer;

/**
 * A target in memory, whose time is a clock moved by hand: while it is awaited it runs a program, step by step, up to the deadline or
 * to what a test has scripted. Errors are of three kinds: one that a rollback undoes, one that stays as long as a corruption is in
 * memory, and one that comes every time.
 *
 * <p>It watches whoever uses it: every rollback is compared with a full copy of the checkpoint's memory, and a call that the contract
 * does not allow is an {@link IllegalStateException}.
 */
public final class FakeTarget implements Target {
    /** The time in which the program does one step. */
    public static final long STEP_NS = 1_000_000;

    private static final long SENTINEL_PAGE = 1;
    private static final byte[] SOUND = content(SENTINEL_PAGE, 0);
    private static final long NEVER = Long.MAX_VALUE;

    /** What the program does in a step. It must depend on nothing but the step's number and the memory. */
    public interface Program {
        void step(FakeTarget memory, long step);
    }

    private record Script(long atNs, int order, Runnable action) {
    }

    private final ManualClock clock;
    private final Program program;
    private final PriorityQueue<Script> scripts =
            new PriorityQueue<>(Comparator.comparingLong(Script::atNs).thenComparingInt(Script::order));
    private final TreeMap<Long, byte[]> pages = new TreeMap<>();
    private final TreeSet<Long> written = new TreeSet<>();
    private final TreeSet<Long> dropped = new TreeSet<>();
    private final Set<Long> captured = new HashSet<>();
    private final Set<String> unprotected = new LinkedHashSet<>();
    private final TreeMap<Long, Long> frames = new TreeMap<>();
    private final UnsafeBuffer frame = new UnsafeBuffer(0, 0);
    private final AtomicBoolean woken = new AtomicBoolean();
    private final Surface surface = new Surface();
    private long pauseNs = 50_000;
    private long rollbackNs = 200_000;
    private long faultLatencyNs;
    private long failsFromNs = NEVER;
    private long endsAtNs = NEVER;
    private int exitCode;
    private int scriptCount;
    private int openStates;

    private State newestState;
    private long progressNs;
    private long printed;
    private long released;
    private boolean started;
    private boolean tracking;
    private boolean halted;
    private boolean waitsForFrames;
    private boolean isRestoring;
    private boolean hasError;
    private boolean replaced;
    private boolean ended;
    private boolean closed;
    private String error = "";
    private long errorEarliestNs = NEVER;
    private String endSignal;

    public FakeTarget(ManualClock clock, Program program) {
        this.clock = clock;
        this.program = program;
        write(SENTINEL_PAGE, 0);
    }

    /** A program that writes some pages in each step, one of them always, and gives some back now and then. */
    public static void busy(FakeTarget memory, long step) {
        memory.write(2, step);
        for (long i = 0; i < 5; i++) {
            memory.write(100 + (step * 31 + i * i * 17) % 97, step * 1_000 + i);
        }
        if (step % 4 == 0) {
            for (long i = 0; i < 7; i++) {
                memory.drop(100 + (step * 13 + i) % 97);
            }
        }
        memory.print(3);
    }

    /* ---- the script ---- */

    /** Does something while the target runs, when the clock comes to a time. */
    public void at(long timeNs, Runnable action) {
        scripts.add(new Script(timeNs, scriptCount++, action));
    }

    /** An error at a time, which a rollback undoes for good. */
    public void errorAt(long timeNs, String what) {
        at(timeNs, () -> raise(what));
    }

    /** The same, noticed by a detector that last found nothing at another time. */
    public void errorAt(long timeNs, String what, long earliestNs) {
        at(timeNs, () -> {
            raise(what);
            errorEarliestNs = earliestNs;
        });
    }

    /** Something in memory goes wrong at a time; the program stumbles over it after running on for the latency, each time it gets there. */
    public void corruptAt(long timeNs, long latencyNs) {
        at(timeNs, () -> corrupt(latencyNs));
    }

    /** The program fails whenever it has run for that long, as one with a bug does. */
    public void failsFrom(long progress) {
        failsFromNs = progress;
    }

    /** The program exits once it has run for that long. */
    public void endsAt(long progress, int code) {
        endsAtNs = progress;
        exitCode = code;
    }

    /** At a time the program makes way for another. */
    public void replaceAt(long timeNs) {
        at(timeNs, () -> {
            pages.clear();
            written.clear();
            dropped.clear();
            captured.clear();
            write(SENTINEL_PAGE, 0);
            progressNs = 0;
            replaced = true;
        });
    }

    /** How long each pause takes. */
    public void pauseNs(long nanos) {
        pauseNs = nanos;
    }

    /** How long each rollback takes. */
    public void rollbackNs(long nanos) {
        rollbackNs = nanos;
    }

    /** How long the program runs on before it stumbles over an injected fault. */
    public void faultLatencyNs(long nanos) {
        faultLatencyNs = nanos;
    }

    /** Something that the program uses and a rollback does not restore. */
    public void use(String what) {
        unprotected.add(what);
    }

    /* ---- the program's side ---- */

    /** Fills a page with something that depends on all arguments. */
    public void write(long page, long value) {
        pages.put(page, content(page, value));
        written.add(page);
        dropped.remove(page);
    }

    private static byte[] content(long page, long value) {
        byte[] bytes = new byte[PAGE_SIZE];
        ByteBuffer words = ByteBuffer.wrap(bytes);
        while (words.hasRemaining()) {
            words.putLong((value + 1) * 0x9E3779B97F4A7C15L + page * 0xBF58476D1CE4E5B9L + words.position());
        }
        return bytes;
    }

    public void drop(long page) {
        pages.remove(page);
        written.remove(page);
        if (captured.contains(page)) {
            dropped.add(page);
        }
    }

    /** Writes bytes to standard output. */
    public void print(long bytes) {
        printed += bytes;
    }

    /** An error at this moment, which a rollback undoes for good. */
    public void raise(String what) {
        hasError = true;
        error = what;
        errorEarliestNs = NEVER;
    }

    private void corrupt(long latencyNs) {
        byte[] bytes = pages.get(SENTINEL_PAGE).clone();
        ByteBuffer.wrap(bytes).putLong(0, progressNs + latencyNs);
        pages.put(SENTINEL_PAGE, bytes);
        written.add(SENTINEL_PAGE);
    }

    private boolean stumbles() {
        byte[] sentinel = pages.get(SENTINEL_PAGE);
        return !Arrays.equals(sentinel, SOUND) && progressNs >= ByteBuffer.wrap(sentinel).getLong(0);
    }

    private void runUntil(long timeNs) {
        while (clock.getAsLong() < timeNs && !stands()) {
            long slice = Math.min(timeNs - clock.getAsLong(), STEP_NS - progressNs % STEP_NS);
            clock.advance(slice);
            progressNs += slice;
            if (progressNs % STEP_NS == 0) {
                program.step(this, progressNs / STEP_NS);
            }
            if (stumbles()) {
                raise("SIGSEGV");
            } else if (progressNs >= failsFromNs) {
                raise("SIGABRT");
            } else if (progressNs >= endsAtNs) {
                ended = true;
            }
        }
    }

    private boolean stands() {
        return hasError || replaced || ended;
    }

    private void runScripts() {
        while (!stands() && !scripts.isEmpty() && scripts.peek().atNs <= clock.getAsLong()) {
            scripts.remove().action.run();
        }
    }

    /* ---- what a test may look at ---- */

    /** The pages that have content, of this moment. */
    public SortedMap<Long, byte[]> pages() {
        return new TreeMap<>(pages);
    }

    public long progressNs() {
        return progressNs;
    }

    /** Bytes of output that can no longer be taken back. */
    public long released() {
        return released;
    }

    public boolean isStanding() {
        return halted || stands();
    }

    public boolean isTracking() {
        return tracking;
    }

    public boolean isClosed() {
        return closed;
    }

    /** States that were made and not closed. */
    public int openStates() {
        return openStates;
    }

    /** Lets a target that was let go run without anybody looking. */
    public void runAlone(long nanos) {
        requireThat(closed && !halted, "not let go");
        runUntil(clock.getAsLong() + nanos);
    }

    private static void requireThat(boolean allowed, String complaint) {
        if (!allowed) {
            throw new IllegalStateException(complaint);
        }
    }

    /* ---- the target's side ---- */

    @Override
    public String kind() {
        return "fake";
    }

    @Override
    public String name() {
        return "fake";
    }

    @Override
    public long pid() {
        return 0;
    }

    private void requireLife() {
        requireThat(!closed, "used after it was closed");
        if (ended) {
            throw new BackstepException(Reason.GONE, "the fake target has ended");
        }
    }

    @Override
    public void start() {
        requireLife();
        written.addAll(pages.keySet());
        dropped.clear();
        captured.clear();
        replaced = false;
        started = tracking = halted = true;
    }

    @Override
    public ExecutionState newState() {
        openStates++;
        return new State();
    }

    @Override
    public void await(long deadlineNs, TargetEvent event) {
        requireThat(!closed && started && !halted, "awaited while it is halted, or not even started");
        event.none();
        while (true) {
            runScripts();
            if (stands()) {
                report(event);
                return;
            }
            if (woken.getAndSet(false) || clock.getAsLong() >= deadlineNs) {
                return;
            }
            runUntil(scripts.isEmpty() ? deadlineNs : Math.min(deadlineNs, scripts.peek().atNs));
        }
    }

    private void report(TargetEvent event) {
        if (ended) {
            event.ended(exitCode, endSignal);
        } else if (replaced) {
            halted = true;
            tracking = false;
            event.replaced();
        } else {
            String detail = error + " after " + progressNs + " ns";
            if (errorEarliestNs == NEVER) {
                event.error("fake", error, detail);
            } else {
                event.error("fake", error, detail, errorEarliestNs, clock.getAsLong());
            }
        }
    }

    @Override
    public void wake() {
        woken.set(true);
    }

    @Override
    public void halt() {
        requireLife();
        if (replaced) {
            throw new BackstepException(Reason.OVERTAKEN, "the fake target was replaced");
        }
        halted = true;
    }

    @Override
    public void resume() {
        requireThat(!isRestoring, "resumed half restored");
        halted = false;
        waitsForFrames = false;
        hasError = false;
    }

    @Override
    public void resumeIntoError() {
        if (hasError) {
            ended = true;
            endSignal = error;
        }
        resume();
    }

    @Override
    public boolean capture(Capture capture) {
        requireLife();
        requireThat(tracking && !isRestoring, "captured while it is not tracked");
        if (hasError || replaced) {
            throw new BackstepException(Reason.OVERTAKEN, "an event of the fake target came before the capture");
        }
        if (!waitsForFrames) {
            capture.clearResults();
        }
        waitsForFrames = capture.frames().size() < written.size();
        if (waitsForFrames) {
            capture.framesNeeded(written.size(), false);
            return false;
        }
        frames.clear();
        for (long page : written) {
            frames.put(page, capture.frames().get(capture.pages().size()));
            frame.wrap(capture.frames().get(capture.pages().size()), PAGE_SIZE);
            frame.putBytes(0, pages.get(page));
            capture.pages().add(page);
        }
        for (long page : dropped) {
            capture.dropped().add(page, page + 1);
        }
        noteAllCaptured();
        lift(capture);
        capture.trackedPages(pages.size());
        capture.atNs(clock.getAsLong());
        if (!capture.isLive()) {
            newestState = (State) capture.state();
            newestState.fill();
            pause(capture);
        }
        return true;
    }

    /** It sees every write, so that only what is lifted is taken for written though it may not be. */
    private void lift(Capture capture) {
        capture.predicted().clear();
        for (long page : pages.keySet()) {
            if (capture.lifted().contains(page)) {
                capture.predicted().add(page, page + 1);
                written.add(page);
            }
        }
    }

    /** Inverts a bit in the memory into which the last capture copied a page. */
    public void strikeFrameOf(long page) {
        frame.wrap(frames.get(page), PAGE_SIZE);
        frame.putByte(PAGE_SIZE / 3, (byte) (frame.getByte(PAGE_SIZE / 3) ^ 4));
    }

    /** The execution state that was saved last is not what it was from now on. */
    public void strikeState() {
        newestState.struck = true;
    }

    private void noteAllCaptured() {
        written.clear();
        dropped.clear();
        captured.clear();
        captured.addAll(pages.keySet());
    }

    private void pause(Capture capture) {
        clock.advance(pauseNs);
        capture.pauseNs(pauseNs);
        for (Phase phase : Phase.values()) {
            capture.phaseNs(phase, pauseNs / Phase.values().length);
        }
    }

    @Override
    public void abandonCapture() {
        requireThat(waitsForFrames, "no capture waits for frames");
        waitsForFrames = false;
    }

    @Override
    public void beginRollback(ExecutionState state, PageRanges changed, PreImages saved) {
        ((State) state).requireFilled();
        lookBack(changed, saved);
        isRestoring = true;
    }

    @Override
    public void lookBack(PageRanges changed, PreImages saved) {
        saved.clear();
        requireLife();
        requireThat(tracking && !waitsForFrames, "rolled back while it is not tracked, or in a capture");
        halted = true;
        changed.clear();
        TreeSet<Long> all = new TreeSet<>(written);
        all.addAll(dropped);
        all.forEach(page -> changed.add(page, page + 1));
    }

    @Override
    public void finishRollback(ExecutionState state, PageWrites writes) {
        requireLife();
        requireThat(isRestoring, "the second half of a rollback without the first");
        State wanted = (State) state;
        wanted.requireFilled();
        for (long i = 0; i < writes.pages().size(); i++) {
            byte[] bytes = new byte[PAGE_SIZE];
            frame.wrap(writes.frames().get(i), PAGE_SIZE);
            frame.getBytes(0, bytes);
            pages.put(writes.pages().get(i), bytes);
        }
        LongVector gone = writes.dropped();
        for (long i = 0; i < gone.size(); i++) {
            pages.remove(gone.get(i));
        }
        wanted.requireEqualTo(pages);
        requireThat(wanted.printed >= released, "output was let go that this rollback takes back");
        noteAllCaptured();
        progressNs = wanted.progressNs;
        printed = wanted.printed;
        hasError = false;
        isRestoring = false;
        clock.advance(rollbackNs);
    }

    @Override
    public void commit(ExecutionState oldestKept) {
        State oldest = (State) oldestKept;
        oldest.requireFilled();
        released = Math.max(released, oldest.printed);
    }

    @Override
    public void stopTracking() {
        tracking = false;
        written.clear();
        dropped.clear();
        released = NEVER;
    }

    @Override
    public void kill() {
        if (!ended) {
            ended = true;
            endSignal = "SIGKILL";
        }
        halted = false;
        isRestoring = false;
    }

    @Override
    public FaultSurface faultSurface() {
        return surface;
    }

    @Override
    public Set<String> unprotected() {
        return unprotected;
    }

    @Override
    public long heldBytes() {
        return Math.max(0, printed - released);
    }

    @Override
    public void close() {
        requireThat(!isRestoring, "let go half restored");
        closed = true;
        tracking = false;
        halted = false;
    }

    /** Where the program is, what it has printed, and for comparison all of its memory. */
    private final class State implements ExecutionState {
        private TreeMap<Long, byte[]> all;
        private long progressNs;
        private long printed;
        private boolean closed;
        private boolean struck;

        void fill() {
            requireThat(!closed, "a closed state was filled");
            all = new TreeMap<>(pages);
            progressNs = FakeTarget.this.progressNs;
            printed = FakeTarget.this.printed;
            struck = false;
        }

        @Override
        public boolean isIntact() {
            return !struck;
        }

        void requireFilled() {
            requireThat(!struck, "a state was used that is not what it was");
            requireThat(!closed && all != null, "a state was used after it was cleared");
        }

        void requireEqualTo(SortedMap<Long, byte[]> found) {
            requireThat(found.keySet().equals(all.keySet()), "other pages after a rollback than at the checkpoint");
            found.forEach((page, bytes) ->
                    requireThat(Arrays.equals(bytes, all.get(page)), "page " + page + " differs from the checkpoint"));
        }

        @Override
        public long sizeBytes() {
            return 2 * Long.BYTES;
        }

        @Override
        public void clear() {
            all = null;
        }

        @Override
        public void close() {
            if (!closed) {
                closed = true;
                openStates--;
            }
            clear();
        }
    }

    /** Any bit that is flipped, anywhere, is a corruption that the program stumbles over. */
    private final class Surface implements FaultSurface {
        @Override
        public int threadCount() {
            return 1;
        }

        @Override
        public List<String> registers() {
            return List.of("pc");
        }

        @Override
        public void flipRegister(int thread, String register, long mask) {
            requireThat(halted, "a fault was injected into a running target");
            corrupt(faultLatencyNs);
        }

        @Override
        public List<String> areas() {
            return List.of("any");
        }

        @Override
        public void pagesOf(String area, PageRanges into) {
            into.clear();
            pages.keySet().forEach(page -> into.add(page, page + 1));
        }

        @Override
        public void flipMemory(long address, long mask) {
            requireThat(pages.containsKey(Pages.ofAddress(address)), "a fault was injected where nothing is");
            flipRegister(0, "pc", mask);
        }
    }
}
