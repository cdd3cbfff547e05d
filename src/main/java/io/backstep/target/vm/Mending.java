// SPDX-License-Identifier: Apache-2.0
package io.backstep.target.vm;

import io.backstep.core.PageRanges;
import io.backstep.core.PageWrites;

/** Those writes of a rollback that are needed once more, because loading devices has written these pages since. */
final class Mending implements AutoCloseable {
    private final PageWrites few = new PageWrites();

    /** Takes of all writes those to these pages. */
    void keepOnly(PageRanges pages, PageWrites all) {
        few.clear();
        long range = 0;
        for (long i = 0; i < all.pages().size(); i++) {
            long page = all.pages().get(i);
            range = pages.seek(range, page);
            if (pages.has(range, page)) {
                few.write(page, all.frames().get(i));
            }
        }
        range = 0;
        for (long i = 0; i < all.dropped().size(); i++) {
            long page = all.dropped().get(i);
            range = pages.seek(range, page);
            if (pages.has(range, page)) {
                few.drop(page);
            }
        }
    }

    PageWrites writes() {
        return few;
    }

    @Override
    public void close() {
        few.close();
    }
}
