// SPDX-License-Identifier: Apache-2.0
package io.backstep.target.process;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.backstep.core.Target;
import org.junit.jupiter.api.AfterEach;

/** A process that has been running before we take hold of it. */
class AttachedProcessTest extends ProcessContractTest {
    private Victim victim;

    @Override
    protected Target open() {
        victim = Victim.start(output(), directory.resolve("error"), command());
        pid(victim.pid());
        ProcessTarget target = ProcessTarget.attach(victim.pid());
        Victim.begin(target);
        return target;
    }

    @Override
    protected void assertEndsWellAlone() throws Exception {
        assertEquals(0, victim.awaitEnd());
        assertOutputIsRight();
    }

    @AfterEach
    void endVictim() {
        if (victim != null) {
            victim.close();
        }
    }
}
