// SPDX-License-Identifier: Apache-2.0
package io.backstep.sys;

import io.backstep.core.Capture;
import io.backstep.core.PageRanges;
import io.backstep.core.Phase;

/** {@code struct bs_capture}: the words in their order. */
public final class CaptureWords extends NativeWords {
    static final int STRUCT = 2;

    private static final int FLAGS = 0;
    private static final int FRAMES = FLAGS + 1;
    private static final int FRAME_COUNT = FRAMES + 1;
    private static final int PREDICTED = FRAME_COUNT + 1;
    private static final int PREDICTED_COUNT = PREDICTED + 1;
    private static final int LIFTED = PREDICTED_COUNT + 1;
    private static final int LIFTED_COUNT = LIFTED + 1;
    private static final int WRITTEN_BEFORE = LIFTED_COUNT + 1;
    private static final int WRITTEN_BEFORE_COUNT = WRITTEN_BEFORE + 1;
    private static final int PAGE_COUNT = WRITTEN_BEFORE_COUNT + 1;
    private static final int PAGES = PAGE_COUNT + 1;
    private static final int HELD = PAGES + 1;
    private static final int HELD_COUNT = HELD + 1;
    private static final int HELD_PAGES = HELD_COUNT + 1;
    private static final int STATE = HELD_PAGES + 1;
    private static final int STATE_SIZE = STATE + 1;
    private static final int OUTPUT_MARK = STATE_SIZE + 1;
    private static final int ERROR_MARK = OUTPUT_MARK + 1;
    private static final int THREADS = ERROR_MARK + 1;
    private static final int MAPPINGS = THREADS + 1;
    private static final int AHEAD = MAPPINGS + 1;
    private static final int AT_NS = AHEAD + 1;
    private static final int PAUSE_NS = AT_NS + 1;
    private static final int JOINED_NS = PAUSE_NS + 1;
    private static final int PHASE_NS = JOINED_NS + 1;
    private static final int WORDS = PHASE_NS + Phase.values().length;

    private static final long LIVE = 1;
    private static final long CONTINUE = 2;
    private static final Phase[] PHASES = Phase.values();

    public CaptureWords() {
        super(WORDS);
    }

    void ask(Capture capture, boolean goOn) {
        word(FLAGS, (capture.isLive() ? LIVE : 0) | (goOn ? CONTINUE : 0));
        word(FRAMES, capture.frames().address());
        word(FRAME_COUNT, capture.frames().size());
        word(PREDICTED, capture.predicted().address());
        word(PREDICTED_COUNT, capture.predicted().rangeCount());
        word(LIFTED, capture.lifted().address());
        word(LIFTED_COUNT, capture.lifted().rangeCount());
        word(WRITTEN_BEFORE, capture.writtenBefore().address());
        word(WRITTEN_BEFORE_COUNT, capture.writtenBefore().size());
    }

    /** Fills a capture in by what the library answered. Returns false if it needs more frames. */
    boolean answer(Capture capture, int result) {
        Codes.check(result);
        if (result != 0) {
            capture.framesNeeded(word(PAGE_COUNT), result == Codes.FRAMES_AHEAD);
            return false;
        }
        capture.pages().copyFrom(word(PAGES), word(PAGE_COUNT));
        capture.predicted().copyFrom(word(PREDICTED), word(PREDICTED_COUNT));
        capture.trackedPages(word(HELD_PAGES));
        capture.atNs(word(AT_NS));
        capture.copiedAhead(word(AHEAD));
        capture.pauseNs(word(PAUSE_NS));
        capture.joinedNs(word(JOINED_NS));
        for (int i = 0; i < PHASES.length; i++) {
            capture.phaseNs(PHASES[i], word(PHASE_NS + i));
        }
        return true;
    }

    /** The pages that have content of their own. */
    public void held(PageRanges into) {
        into.copyFrom(word(HELD), word(HELD_COUNT));
    }

    public long state() {
        return word(STATE);
    }

    public long stateSize() {
        return word(STATE_SIZE);
    }

    public long outputMark() {
        return word(OUTPUT_MARK);
    }

    public long errorMark() {
        return word(ERROR_MARK);
    }

    public long threads() {
        return word(THREADS);
    }

    public long mappings() {
        return word(MAPPINGS);
    }
}
