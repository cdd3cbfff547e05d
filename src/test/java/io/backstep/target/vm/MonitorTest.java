// SPDX-License-Identifier: Apache-2.0
package io.backstep.target.vm;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

import java.nio.file.Path;
import java.util.Map;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Commands to a monitor, as far as that needs no QEMU. */
@Timeout(60)
class MonitorTest {
    @TempDir
    private Path directory;

    @Test
    void shouldBeginACommandThatWasSentButForItsEndWhenThatIsSent() throws Exception {
        Path socket = directory.resolve("qmp");
        try (PlayedMonitor played = new PlayedMonitor(socket, Map.of("save", "{\"saved\": true}"));
                Monitor monitor = Monitor.connect(socket)) {
            monitor.sendButEnd("save", Map.of("filename", "a}b\"}", "more", Map.of("nested", 1)));

            assertEquals(1, monitor.pending());
            assertFalse(monitor.isAnswered());

            monitor.sendEnd();

            assertEquals(Map.of("saved", true), monitor.receive());
            assertEquals(Map.of(), monitor.execute("another"));
        }
    }
}
