// SPDX-License-Identifier: Apache-2.0
package io.backstep;

import java.nio.file.Path;

import io.backstep.target.process.Victim;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** {@link RegionStressTest} for long: -Dbackstep.minutes=N is how long. */
@Tag("soak")
class RegionStressIT {
    private static final double MINUTES = Double.parseDouble(System.getProperty("backstep.minutes", "30"));

    @BeforeAll
    static void assumeProtection() {
        Victim.assumeProtection();
    }

    @Test
    void shouldNeverStallAWriterForALongTime(@TempDir Path directory) throws Exception {
        RegionStressTest.runInASmallHeap(directory, MINUTES * 60);
    }
}
