// SPDX-License-Identifier: Apache-2.0
package io.backstep.target.process;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.util.List;
import java.util.concurrent.TimeUnit;

import io.backstep.core.BackstepException;
import io.backstep.core.BackstepException.Reason;
import io.backstep.core.Capture;
import io.backstep.core.Discipline;
import io.backstep.core.ExecutionState;
import io.backstep.core.LongVector;
import io.backstep.core.PageRanges;
import io.backstep.core.Pages;
import io.backstep.core.PreImages;
import io.backstep.core.Target;
import io.backstep.core.TargetEvent;
import io.backstep.core.TargetEvent.Kind;
import io.backstep.sys.Inheritance;
import org.agrona.UnsafeApi;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** The contract for a program by the cow discipline; one that gives no memory back but where a test says so. */
class HeldWritesTest extends ProcessContractTest {
    private static final long PATIENCE_NS = 60_000_000_000L;
    private static final long RUN_NS = 5_000_000;
    private static final long LONG_RUN_NS = 200_000_000;
    private static final long FRAMES = 16_384;
    private static final List<String> COMMAND = Victim.command("dirty", 8, 150, 2, 600);

    private long memory;

    @Override
    protected Target open() {
        ProcessTarget program = open(Victim.intoFile(output(), COMMAND));
        TargetEvent replaced = new TargetEvent();
        feed(program);
        program.start();
        program.resume();
        long endNs = System.nanoTime() + PATIENCE_NS;
        do {
            program.await(endNs, replaced);
        } while (replaced.kind() == Kind.NONE && System.nanoTime() - endNs < 0);
        assertEquals(Kind.REPLACED, replaced.kind());
        program.start();
        return program;
    }

    private void feed(Target program) {
        memory = UnsafeApi.allocateMemory(Pages.toBytes(FRAMES));
        try (LongVector spare = new LongVector()) {
            for (long i = 0; i < FRAMES; i++) {
                spare.add(memory + Pages.toBytes(i));
            }
            program.pool().add(spare, 0);
        }
    }

    @AfterEach
    void freeFrames() {
        UnsafeApi.freeMemory(memory);
    }

    private ProcessTarget open(List<String> command) {
        ProcessTarget program = ProcessTarget.run(command, false, Inheritance.NONE, Discipline.COW);
        pid(program.pid());
        return program;
    }

    @Override
    protected void assertEndsWellAlone() throws Exception {
        ProcessHandle.of(pid()).orElseThrow().onExit().get(PATIENCE_NS, TimeUnit.NANOSECONDS);
        assertTrue(Files.readString(output()).startsWith("dirty: "), Files.readString(output()));
    }

    @Override
    @Test
    protected void shouldCopyWhileItRuns() {
        target.resume();
        try (Capture live = new Capture()) {
            assertEquals(Reason.FAILED, reasonOf(() -> target.capture(live.live(true))), "there is nothing to copy ahead");
        }
    }

    /** It is told how many pages are lost, and a rollback behind them is refused. */
    @Override
    @Test
    protected void shouldTellPagesThatWereGivenBack() {
        target.kill();
        target.close();
        target = open(Victim.command("layout", 3, 5_000));
        UnsafeApi.freeMemory(memory);
        feed(target);
        target.start();
        long copies = UnsafeApi.allocateMemory(Pages.toBytes(FRAMES));
        try (Capture capture = new Capture();
                PageRanges written = new PageRanges();
                PreImages saved = new PreImages();
                ExecutionState state = target.newState()) {
            for (long i = 0; i < FRAMES; i++) {
                capture.frames().add(copies + Pages.toBytes(i));
            }
            capture.state(state);
            for (long lost = 0; lost == 0; lost = capture.lostPages()) {
                target.resume();
                target.await(System.nanoTime() + RUN_NS, event);
                assertEquals(Kind.NONE, event.kind(), event.detail());
                target.halt();
                state.clear();
                assertTrue(target.capture(capture));
            }
            target.resume();
            target.await(System.nanoTime() + LONG_RUN_NS, event); // it gives something back every other millisecond
            assertEquals(Kind.NONE, event.kind(), event.detail());
            target.halt();

            BackstepException refused =
                    assertThrows(BackstepException.class, () -> target.beginRollback(state, written, saved));

            assertEquals(Reason.REFUSED, refused.reason());
            assertTrue(refused.getMessage().contains("gave memory back"), refused.getMessage());
            target.resume();
            target.await(System.nanoTime() + RUN_NS, event);
            assertEquals(Kind.NONE, event.kind(), "it runs on: " + event.detail());
            target.kill();
        } finally {
            UnsafeApi.freeMemory(copies);
        }
    }
}
