// SPDX-License-Identifier: Apache-2.0
package io.backstep.core;

import java.util.Locale;

/** The parts of a pause, in their order. */
public enum Phase {
    FREEZE, SCAN, COPY, STATE, THAW;

    public String key() {
        return name().toLowerCase(Locale.ROOT);
    }
}
