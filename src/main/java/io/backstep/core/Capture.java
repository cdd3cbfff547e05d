// SPDX-License-Identifier: Apache-2.0
package io.backstep.core;

/**
 * What passes between engine and target in one capture: frames go in, the pages that were copied into them come out.
 * One object serves all captures of an engine, so a capture allocates nothing after warm-up. Not thread-safe.
 */
public final class Capture implements AutoCloseable {
    private static final Phase[] PHASES = Phase.values();

    private final LongVector frames = new LongVector();
    private final PageRanges predicted = new PageRanges();
    private final PageRanges lifted = new PageRanges();
    private final LongVector writtenBefore = new LongVector();
    private final LongVector pages = new LongVector();
    private final PageRanges dropped = new PageRanges();
    private final PreImages saved = new PreImages();
    private long lostPages;
    private final long[] phaseNs = new long[PHASES.length];
    private boolean live;
    private ExecutionState state;
    private long framesNeeded;
    private boolean needGuessed;
    private long trackedPages;
    private long atNs;
    private long pauseNs;
    private long joinedNs;
    private long copiedAhead;

    /** In: addresses of free frames. The first of them, as many as there are {@link #pages()}, are used. */
    public LongVector frames() {
        return frames;
    }

    /**
     * In: pages that may be left writable if they were written up to this capture: then they are among the
     * {@link #pages()} of the next one, written again or not. Out: all that may be among them for this, for a target may
     * add neighbours; and those that were lifted.
     */
    public PageRanges predicted() {
        return predicted;
    }

    /** In: pages that may be made writable if they were not written up to this capture, likewise. */
    public PageRanges lifted() {
        return lifted;
    }

    /** In: pages that were written before the last capture, but for those that only may have been; ascending. */
    public LongVector writtenBefore() {
        return writtenBefore;
    }

    /**
     * In: copy while the target runs. The pages are a first guess that the next capture corrects, and no state is
     * saved.
     */
    public boolean isLive() {
        return live;
    }

    public Capture live(boolean on) {
        live = on;
        return this;
    }

    /** In: where the execution state goes. */
    public ExecutionState state() {
        return state;
    }

    public Capture state(ExecutionState into) {
        state = into;
        return this;
    }

    /** Out: the pages that may have been written since the last capture, ascending; page i was copied into frame i. */
    public LongVector pages() {
        return pages;
    }

    /**
     * Out: pages that had content of their own at the last capture and have none now; and those that were among its
     * {@link #pages()} and are left to {@link #saved()} from now on.
     */
    public PageRanges dropped() {
        return dropped;
    }

    /**
     * Out: what the target saved by itself in the interval; these frames are the caller's from now on. A page that is
     * nowhere else is as it was at the last capture.
     */
    public PreImages saved() {
        return saved;
    }

    /**
     * Out: how many pages were given back in the interval before they were saved. If there are any, no checkpoint before
     * this capture can be restored.
     */
    public long lostPages() {
        return lostPages;
    }

    public void lostPages(long count) {
        lostPages = count;
    }

    /** Out: how many frames the capture needs, when it got too few. */
    public long framesNeeded() {
        return framesNeeded;
    }

    /** Out: whether that number is a guess of a target that still runs, for which nothing need be given up. */
    public boolean isNeedGuessed() {
        return needGuessed;
    }

    public void framesNeeded(long count, boolean guessed) {
        framesNeeded = count;
        needGuessed = guessed;
    }

    /** Out: pages of the target that have content of their own. */
    public long trackedPages() {
        return trackedPages;
    }

    public void trackedPages(long count) {
        trackedPages = count;
    }

    /** Out: when the target stood, by System.nanoTime. */
    public long atNs() {
        return atNs;
    }

    public void atNs(long nanoTime) {
        atNs = nanoTime;
    }

    /** Out: how many of the {@link #pages()} were copied before the target stood. */
    public long copiedAhead() {
        return copiedAhead;
    }

    public void copiedAhead(long count) {
        copiedAhead = count;
    }

    /** Out: how long the target stood. */
    public long pauseNs() {
        return pauseNs;
    }

    public void pauseNs(long nanos) {
        pauseNs = nanos;
    }

    /** Out: how long the target may have waited after that for memory that was put together in huge pages. */
    public long joinedNs() {
        return joinedNs;
    }

    public void joinedNs(long nanos) {
        joinedNs = nanos;
    }

    public long phaseNs(Phase phase) {
        return phaseNs[phase.ordinal()];
    }

    public void phaseNs(Phase phase, long nanos) {
        phaseNs[phase.ordinal()] = nanos;
    }

    /** Forgets the last capture's results; the frames stay. */
    public void clearResults() {
        pages.clear();
        dropped.clear();
        saved.clear();
        lostPages = 0;
        framesNeeded = 0;
        needGuessed = false;
        trackedPages = 0;
        atNs = 0;
        pauseNs = 0;
        joinedNs = 0;
        copiedAhead = 0;
        java.util.Arrays.fill(phaseNs, 0);
    }

    @Override
    public void close() {
        frames.close();
        predicted.close();
        lifted.close();
        writtenBefore.close();
        pages.close();
        dropped.close();
        saved.close();
    }
}
