// SPDX-License-Identifier: Apache-2.0
package io.backstep.bench;

import io.backstep.core.Capture;
import io.backstep.core.Phase;

/** Pauses of captures and the parts of each, in microseconds. */
final class PauseSamples {
    private final Sample pauses = new Sample();
    private final Sample[] phases = new Sample[Phase.values().length];

    PauseSamples() {
        for (int i = 0; i < phases.length; i++) {
            phases[i] = new Sample();
        }
    }

    void add(Capture capture) {
        pauses.add(capture.pauseNs() / 1e3);
        for (Phase phase : Phase.values()) {
            phases[phase.ordinal()].add(capture.phaseNs(phase) / 1e3);
        }
    }

    Sample us() {
        return pauses;
    }

    Sample us(Phase phase) {
        return phases[phase.ordinal()];
    }

    /** The medians of the parts, in the order of {@link Phase}. */
    String phaseMedians() {
        StringBuilder text = new StringBuilder();
        for (Sample phase : phases) {
            text.append(text.isEmpty() ? "" : " ").append(Table.text("%.0f", phase.median()));
        }
        return text.toString();
    }
}
