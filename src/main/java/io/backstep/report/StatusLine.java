// SPDX-License-Identifier: Apache-2.0
package io.backstep.report;

import io.backstep.engine.StatusSnapshot;
import io.backstep.engine.RunRecord;
import java.util.List;

/** The line in which a terminal shows how a run stands. Each one is written over the one before. */
public final class StatusLine {
    /** Takes the line away. */
    public static final String CLEAR = "\r\u001b[K";

    private static final String TO_LINE_END = "\u001b[K";
    private static final String GAP = "  ";

    private StatusLine() {
    }

    /**
     * What to print, without a line end. It leaves the last column free, since there some terminals wrap; what does not
     * fit is left out, from the end.
     */
    public static String render(StatusSnapshot status, int columns) {
        RunRecord.Pacing pacing = status.pacing();
        String overhead = pacing.decidedBy() == null || Double.isNaN(pacing.overhead()) ? ""
                : " (" + Figures.percent(pacing.overhead()) + ")";
        double covered = status.retained().now();
        List<String> items = List.of(
                "backstep " + Figures.millis(status.elapsedMs()),
                "every " + Figures.millis(status.intervalMs()) + overhead,
                "kept " + status.kept() + (Double.isNaN(covered) ? "" : " (" + Figures.percent(covered) + ")"),
                "dirty " + status.dirtyPages(),
                "pause " + Figures.micros(status.pauseUs()),
                "errors " + status.errors(),
                "rollbacks " + status.rollbacks(),
                "held " + Figures.bytes(status.heldBytes()));
        int room = Math.max(0, columns - 1);
        StringBuilder line = new StringBuilder();
        for (String item : items) {
            String next = line.isEmpty() ? item : GAP + item;
            if (line.length() + next.length() > room) {
                break;
            }
            line.append(next);
        }
        return "\r" + line + TO_LINE_END;
    }
}
