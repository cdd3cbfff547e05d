// SPDX-License-Identifier: Apache-2.0
package io.backstep.sys;

import io.backstep.core.PageWrites;

/** {@code struct bs_restore_pages}: the words in their order. */
public final class RestorePagesWords extends NativeWords {
    static final int STRUCT = 4;

    private static final int PAGES = 0;
    private static final int FRAMES = PAGES + 1;
    private static final int COUNT = FRAMES + 1;
    private static final int DROPPED = COUNT + 1;
    private static final int DROPPED_COUNT = DROPPED + 1;
    private static final int WORDS = DROPPED_COUNT + 1;

    public RestorePagesWords() {
        super(WORDS);
    }

    void ask(PageWrites writes) {
        word(PAGES, writes.pages().address());
        word(FRAMES, writes.frames().address());
        word(COUNT, writes.pages().size());
        word(DROPPED, writes.dropped().address());
        word(DROPPED_COUNT, writes.dropped().size());
    }
}
