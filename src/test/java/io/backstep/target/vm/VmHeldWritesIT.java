// SPDX-License-Identifier: Apache-2.0
package io.backstep.target.vm;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.backstep.core.BackstepException.Reason;
import io.backstep.core.Capture;
import io.backstep.core.Discipline;
import org.junit.jupiter.api.Test;

/** The contract for a virtual machine by the cow discipline, whose memory is private to QEMU. */
class VmHeldWritesIT extends VmContractIT {
    @Override
    Discipline discipline() {
        return Discipline.COW;
    }

    @Override
    @Test
    protected void shouldCopyWhileItRuns() {
        target.resume();
        try (Capture live = new Capture()) {
            assertEquals(Reason.FAILED, reasonOf(() -> target.capture(live.live(true))), "there is nothing to copy ahead");
        }
    }
}
