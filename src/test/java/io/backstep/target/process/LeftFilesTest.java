// SPDX-License-Identifier: Apache-2.0
package io.backstep.target.process;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;

import io.backstep.core.Capture;
import io.backstep.core.ExecutionState;
import io.backstep.core.PageRanges;
import io.backstep.core.PageWrites;
import io.backstep.core.Pages;
import io.backstep.core.PreImages;
import io.backstep.core.TargetEvent;
import io.backstep.core.TargetEvent.Kind;
import io.backstep.sys.Inheritance;
import org.agrona.UnsafeApi;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Files that a rollback cannot cut back are told by name. */
@Timeout(120)
class LeftFilesTest {
    private static final long FRAMES = 4_096;
    private static final long RUN_NS = 10_000_000;

    @TempDir
    private Path directory;
    private final TargetEvent event = new TargetEvent();

    @BeforeAll
    static void assumeProtection() {
        Victim.assumeProtection();
    }

    @Test
    void shouldNameFileThatWasOpenedForWritingAfterTheCheckpoint() throws Exception {
        Path written = directory.resolve("written");
        long memory = UnsafeApi.allocateMemory(Pages.toBytes(FRAMES));
        try (ProcessTarget target = ProcessTarget.run(
                Victim.command("files", 1, 100_000, written), false, Inheritance.NONE);
                ExecutionState state = target.newState();
                Capture capture = new Capture();
                PageRanges rewritten = new PageRanges();
                PreImages saved = new PreImages();
                PageWrites nothing = new PageWrites()) {
            target.start();
            for (long i = 0; i < FRAMES; i++) {
                capture.frames().add(memory + Pages.toBytes(i));
            }
            assertTrue(target.capture(capture.state(state)));
            while (Files.notExists(written) || Files.size(written) == 0) {
                target.resume();
                target.await(System.nanoTime() + RUN_NS, event);
                assertEquals(Kind.NONE, event.kind(), event.detail());
                target.halt();
            }

            target.beginRollback(state, rewritten, saved);
            target.finishRollback(state, nothing); // it will not run again, so its pages do not matter

            assertTrue(target.unprotected().contains("file " + written
                    + ": was opened for writing after the checkpoint of a rollback, and what was written to it stays"));
            assertTrue(target.unprotected().stream().noneMatch(use -> use.contains("rollback")), "told twice");
            target.kill();
        } finally {
            UnsafeApi.freeMemory(memory);
        }
    }
}
