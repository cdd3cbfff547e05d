// SPDX-License-Identifier: Apache-2.0
package io.backstep.core;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

class CaptureTest {
    @Test
    void shouldKeepFramesWhenResultsAreCleared() {
        try (Capture capture = new Capture()) {
            capture.frames().add(4096);
            capture.pages().add(1);
            capture.dropped().add(2, 3);
            capture.framesNeeded(4, true);
            capture.trackedPages(5);
            capture.atNs(6);
            capture.pauseNs(7);
            for (Phase phase : Phase.values()) {
                capture.phaseNs(phase, 8);
            }

            capture.clearResults();

            assertEquals(1, capture.frames().size());
            assertTrue(capture.pages().isEmpty());
            assertTrue(capture.dropped().isEmpty());
            assertEquals(0, capture.framesNeeded() + capture.trackedPages() + capture.atNs() + capture.pauseNs());
            for (Phase phase : Phase.values()) {
                assertEquals(0, capture.phaseNs(phase));
            }
        }
    }
}
