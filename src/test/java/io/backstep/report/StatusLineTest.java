// SPDX-License-Identifier: Apache-2.0
package io.backstep.report;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.backstep.engine.StatusSnapshot;
import java.io.IOException;
import org.junit.jupiter.api.Test;

class StatusLineTest {
    private static final StatusSnapshot STATUS = new StatusSnapshot(9712.4, 50, 1180, 412.159, 3, 2, 1, 12_288,
            SampleRuns.eventful().pacing(), SampleRuns.eventful().retained());

    /** Carriage return and escape sequence are spelled out in the golden file, a line for each width. */
    @Test
    void shouldShowWhatFitsAsSealed() throws IOException {
        StringBuilder lines = new StringBuilder();
        for (int columns : new int[] {200, 100, 80, 60, 40, 20, 10, 0}) {
            String line = StatusLine.render(STATUS, columns);
            String visible = line.replace("\r", "<CR>").replace("\u001b[K", "<EL>");
            lines.append(columns).append(": ").append(visible).append('\n');
        }

        assertEquals(SampleRuns.golden("status.txt"), lines.toString());
    }

    @Test
    void shouldLeaveTheLastColumnFree() {
        for (int columns = 1; columns < 200; columns++) {
            String line = StatusLine.render(STATUS, columns);
            int shown = line.length() - "\r".length() - "\u001b[K".length();
            assertTrue(shown < columns, shown + " of " + columns);
        }
    }

    @Test
    void shouldShowWhatIsNotKnownYet() {
        String line = StatusLine.render(new StatusSnapshot(0, 50, 0, 0, 0, 0, 0, 0,
                SampleRuns.uneventful().pacing(), SampleRuns.uneventful().retained()), 200);

        assertEquals("\rbackstep 0 us  every 50 ms  kept 0  dirty 0  pause 0 us  errors 0  rollbacks 0  held 0 B"
                + "\u001b[K", line);
    }
}
