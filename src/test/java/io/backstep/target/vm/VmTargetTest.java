// SPDX-License-Identifier: Apache-2.0
package io.backstep.target.vm;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;

import io.backstep.core.BackstepException;
import io.backstep.core.BackstepException.Reason;
import io.backstep.core.Discipline;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Taking hold of a machine, as far as that needs no machine. */
@Timeout(60)
class VmTargetTest {
    private static final Map<String, String> ANSWERS = Map.of(
            "qom-get", "\"pc-q35-7.2-machine\"",
            "info mtree -f", "\"FlatView #0\\n AS \\\"memory\\\", root: system\\n"
                    + "  0000000000000000-0000000000000fff (prio 0, ram): pc.ram\\n\"",
            "info ramblock", "\"              pc.ram    4 KiB  0x0000000000000000 0x0000000000001000 0x0000000000001000 "
                    + "0x00007f0000000000\\n\"",
            "info network", "\"\"",
            "query-block", "[{\"device\": \"disk0\", \"inserted\": {\"ro\": false, \"file\": \"nbd+unix:///?socket=/run/disk\"}}]");

    @TempDir
    private Path directory;

    /** A disk that knows whether it was closed. */
    private static final class ClosableDisk implements VmDisk {
        private boolean closed;

        @Override
        public void beginMark(long mark) {
        }

        @Override
        public void endMark() {
        }

        @Override
        public long oldestMark() {
            return 0;
        }

        @Override
        public void drop(long mark) {
        }

        @Override
        public void rollBack(long mark) {
        }

        @Override
        public void close() {
            closed = true;
        }
    }

    @Test
    void shouldLeaveNothingWhenALaterStepFails() throws Exception {
        Path socket = directory.resolve("qmp");
        Path exchange = Files.createDirectory(directory.resolve("exchange"));
        VmOptions options = new VmOptions((int) ProcessHandle.current().pid(), exchange, VmOptions.DETECTORS_DEFAULT, false,
                VmOptions.HANG_AFTER_NS_DEFAULT, null, true);
        ClosableDisk disk = new ClosableDisk();
        try (PlayedMonitor monitor = new PlayedMonitor(socket, ANSWERS)) {
            BackstepException failure = assertThrows(BackstepException.class,
                    () -> VmTarget.attach(socket, options, Discipline.COW, server -> {
                        assertEquals(Path.of("/run/disk"), server);
                        monitor.hide(); // so that no standby process can reach it
                        return disk;
                    }));

            assertEquals(Reason.UNFIT, failure.reason());
            assertTrue(failure.getMessage().contains(socket.toString()), failure.getMessage());
        }
        assertTrue(disk.closed);
        try (Stream<Path> left = Files.list(exchange)) {
            assertEquals(List.of(), left.toList());
        }
    }
}
