// SPDX-License-Identifier: Apache-2.0
package io.backstep.store;

import io.backstep.core.BackstepException;
import io.backstep.core.Checkpoint;
import io.backstep.core.PageRanges;
import io.backstep.core.PageWrites;
import io.backstep.core.PreImages;
import java.util.ArrayList;
import java.util.List;

/**
 * Which frames a rollback gives to which pages: of each page that was written since the newest checkpoint, or that has a
 * pre-image, the oldest pre-image, else what the mirror has. Each frame is compared with its checksum. Not thread-safe.
 */
final class RollbackPlan implements AutoCloseable {
    private final PageTable mirror;
    private final List<UndoLog> logs;
    private final Inspection inspection;
    private final UndoLog openLog = new UndoLog();
    private final List<UndoLog> allLogs = new ArrayList<>();
    private final OldestPreImages oldest = new OldestPreImages();

    /** Plans with what is in this list then, which belongs to the store. */
    RollbackPlan(PageTable mirror, List<UndoLog> logs, Inspection inspection) {
        this.mirror = mirror;
        this.logs = logs;
        this.inspection = inspection;
    }

    /**
     * Makes the plan for a checkpoint. The logs must have been looked at.
     *
     * @param from its index
     * @param into gets the result, ascending; what was in it is cleared
     * @throws BackstepException REFUSED: a frame is broken
     */
    void make(Checkpoint to, int from, PageRanges written, PreImages saved, PageWrites into) {
        into.clear();
        openLog.copyFrom(saved);
        allLogs.clear();
        allLogs.addAll(logs);
        allLogs.add(openLog);
        oldest.start(allLogs, from);
        boolean more = oldest.next();
        for (long i = 0; i < written.rangeCount(); i++) {
            for (long page = written.first(i); page < written.end(i); page++) {
                while (more && oldest.page() < page) {
                    more = takeOldest(to, into);
                }
                if (more && oldest.page() == page) {
                    more = takeOldest(to, into);
                } else {
                    inspection.requireUsable(to, page, mirror.get(page), logs.size());
                    writeOrDrop(page, mirror.get(page), into);
                }
            }
        }
        while (more) {
            more = takeOldest(to, into);
        }
    }

    private boolean takeOldest(Checkpoint to, PageWrites into) {
        if (oldest.log() < logs.size()) {
            inspection.requireUsable(to, oldest.page(), oldest.frame(), oldest.log());
        }
        writeOrDrop(oldest.page(), oldest.frame(), into);
        return oldest.next();
    }

    private static void writeOrDrop(long page, long frame, PageWrites into) {
        if (frame == 0) {
            into.drop(page);
        } else {
            into.write(page, frame);
        }
    }

    @Override
    public void close() {
        openLog.close();
    }
}
