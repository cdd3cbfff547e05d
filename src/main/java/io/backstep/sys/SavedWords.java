// SPDX-License-Identifier: Apache-2.0
package io.backstep.sys;

import io.backstep.core.PageRanges;
import io.backstep.core.PreImages;

/** {@code struct bs_saved}: the words in their order. */
public final class SavedWords extends NativeWords {
    static final int STRUCT = 6;

    private static final int COUNT = 0;
    private static final int PAGES = COUNT + 1;
    private static final int FRAMES = PAGES + 1;
    private static final int RELEASED = FRAMES + 1;
    private static final int RELEASED_COUNT = RELEASED + 1;
    private static final int LOST = RELEASED_COUNT + 1;
    private static final int FAULTS = LOST + 1;
    private static final int SPARE_USED = FAULTS + 1;
    private static final int WORDS = SPARE_USED + 1;

    public SavedWords() {
        super(WORDS);
    }

    /** The pages written in the interval, and what they were before. */
    public void saved(PreImages into) {
        into.pages().copyFrom(word(PAGES), word(COUNT));
        into.frames().copyFrom(word(FRAMES), word(COUNT));
    }

    /** Pages that an earlier capture had copied, and whose writes are held again. */
    public void released(PageRanges into) {
        into.copyFrom(word(RELEASED), word(RELEASED_COUNT));
    }

    /** How many pages were given back before they were saved. */
    public long lostPages() {
        return word(LOST);
    }

    long spareUsed() {
        return word(SPARE_USED);
    }
}
