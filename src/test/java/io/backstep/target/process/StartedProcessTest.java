// SPDX-License-Identifier: Apache-2.0
package io.backstep.target.process;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.concurrent.TimeUnit;

import io.backstep.core.Target;
import io.backstep.core.TargetEvent;
import io.backstep.core.TargetEvent.Kind;
import io.backstep.sys.Inheritance;

/** A program that we start; first it is a shell, which makes way for it. */
class StartedProcessTest extends ProcessContractTest {
    private static final long PATIENCE_NS = 60_000_000_000L;

    @Override
    protected Target open() {
        ProcessTarget target = ProcessTarget.run(Victim.intoFile(output(), command()), false, Inheritance.NONE);
        pid(target.pid());
        TargetEvent event = new TargetEvent();
        target.start();
        target.resume();
        target.await(System.nanoTime() + PATIENCE_NS, event);
        assertEquals(Kind.REPLACED, event.kind());
        target.start();
        return target;
    }

    @Override
    protected void assertEndsWellAlone() throws Exception {
        ProcessHandle.of(pid()).orElseThrow().onExit().get(PATIENCE_NS, TimeUnit.NANOSECONDS);
        assertOutputIsRight();
    }
}
