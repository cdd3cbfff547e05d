// SPDX-License-Identifier: Apache-2.0
package io.backstep.target.vm;

import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.OptionalLong;
import java.util.Set;
import java.util.concurrent.TimeUnit;

import io.backstep.Backstep;
import io.backstep.retain.KeepSpan;
import io.backstep.vm.GuestVm;
import io.backstep.vm.ProtectedVm;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/**
 * A guest's time goes on from the restored checkpoint. With one processor its kernel reads it from the time stamp counter;
 * of several it does not trust them under emulation.
 */
@Timeout(value = 5, unit = TimeUnit.MINUTES)
class VmClockIT {
    private static final int BEATS_UNDONE = 30;
    private static final int BEATS_AFTER = 10; // 100 ms apart by the guest's clock
    private static final long AT_LEAST_MS = 500; // a guest that is short of time may be behind at the checkpoint

    @Test
    void shouldGoOnFromTheCheckpointAsOftenAsItIsRestored() {
        try (GuestVm guest = GuestVm.setup().noDisk().start()) {
            guest.awaitUp();
            try (ProtectedVm vm = ProtectedVm.of(new Backstep.Context()
                    .machine(guest.qmpSocket(), VmOptions.DEFAULT.withDetectors(Set.of()))
                    .retention(new KeepSpan(TimeUnit.SECONDS.toNanos(60))))) {
                guest.awaitBeat();
                long checkpoint = vm.engine().requestCheckpoint().join();
                for (int i = 0; i < 3; i++) {
                    long undone = guest.awaitBeat() + BEATS_UNDONE;
                    awaitBeat(guest, undone);
                    long beganNs = System.nanoTime();
                    vm.engine().requestRollback(OptionalLong.of(checkpoint)).join();
                    long first = awaitBeatBelow(guest, undone);
                    awaitBeat(guest, first + BEATS_AFTER);
                    long tookMs = TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - beganNs);
                    assertTrue(tookMs >= AT_LEAST_MS, BEATS_AFTER + " beats took " + tookMs + " ms");
                }
            }
        }
    }

    private static void awaitBeat(GuestVm guest, long number) {
        while (guest.awaitBeat() < number) {
            // not yet
        }
    }

    /** The first one that comes again. */
    private static long awaitBeatBelow(GuestVm guest, long number) {
        long beat;
        do {
            beat = guest.awaitBeat();
        } while (beat >= number);
        return beat;
    }
}
