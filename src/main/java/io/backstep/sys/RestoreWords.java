// SPDX-License-Identifier: Apache-2.0
package io.backstep.sys;

import java.util.ArrayList;
import java.util.List;

import com.sun.jna.Pointer;
import io.backstep.core.PageRanges;

/** {@code struct bs_restore}: the words in their order. */
public final class RestoreWords extends NativeWords {
    static final int STRUCT = 3;

    private static final int WRITTEN = 0;
    private static final int WRITTEN_COUNT = WRITTEN + 1;
    private static final int HELD = WRITTEN_COUNT + 1;
    private static final int HELD_COUNT = HELD + 1;
    private static final int LEFT = HELD_COUNT + 1;
    private static final int LEFT_SIZE = LEFT + 1;
    private static final int WORDS = LEFT_SIZE + 1;

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

    /** The files that were opened for writing since and keep what was written to them. */
    public List<String> leftFiles() {
        List<String> paths = new ArrayList<>();
        Pointer text = new Pointer(word(LEFT));
        for (long at = 0; at < word(LEFT_SIZE); at = text.indexOf(at, (byte) 0) + 1) {
            paths.add(text.getString(at));
        }
        return paths;
    }
}
