// SPDX-License-Identifier: Apache-2.0
package io.backstep.sys;

import io.backstep.core.PageRanges;

/** {@code struct bs_restore}: the words in their order. */
public final class RestoreWords extends NativeWords {
    static final int STRUCT = 3;

    private static final int WRITTEN = 0;
    private static final int WRITTEN_COUNT = WRITTEN + 1;
    private static final int HELD = WRITTEN_COUNT + 1;
    private static final int HELD_COUNT = HELD + 1;
    private static final int WORDS = HELD_COUNT + 1;

    public RestoreWords() {
        super(WORDS);
    }

    /** The pages written since the last capture. */
    public void written(PageRanges into) {
        into.copyFrom(word(WRITTEN), word(WRITTEN_COUNT));
    }

    /** The pages that have content of their own. */
    public void held(PageRanges into) {
        into.copyFrom(word(HELD), word(HELD_COUNT));
    }
}
