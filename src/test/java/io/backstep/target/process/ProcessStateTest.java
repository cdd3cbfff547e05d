// SPDX-License-Identifier: Apache-2.0
package io.backstep.target.process;

import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;

import io.backstep.core.Capture;
import io.backstep.store.CheckpointStore;
import org.agrona.UnsafeApi;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(60)
class ProcessStateTest {
    @TempDir
    private Path directory;

    @Test
    void shouldNoticeEveryBitThatIsNotWhatItWas() {
        Victim.assumeProtection();
        try (Victim victim = Victim.start(directory.resolve("output"), directory.resolve("error"), Victim.command("idle"));
                ProcessTarget target = ProcessTarget.attach(victim.pid());
                CheckpointStore store = new CheckpointStore(256L << 20, recycled -> { });
                Capture capture = new Capture();
                ProcessState state = (ProcessState) target.newState()) {
            Victim.begin(target);
            capture.state(state);
            while (!target.capture(capture)) {
                assertTrue(store.supply(capture.frames(), capture.framesNeeded()));
            }
            assertTrue(state.isIntact());

            for (long bit = 0; bit < state.sizeBytes() * Byte.SIZE; bit += 13) {
                flip(state.address() + bit / Byte.SIZE, 1 << bit % Byte.SIZE);
                assertFalse(state.isIntact(), "bit " + bit);
                flip(state.address() + bit / Byte.SIZE, 1 << bit % Byte.SIZE);
            }
            assertTrue(state.isIntact());
        }
    }

    private static void flip(long address, int mask) {
        UnsafeApi.putByte(address, (byte) (UnsafeApi.getByte(address) ^ mask));
    }
}
