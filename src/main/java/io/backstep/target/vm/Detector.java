// SPDX-License-Identifier: Apache-2.0
package io.backstep.target.vm;

import java.util.Locale;

/** What notices an error of a machine. */
public enum Detector {
    /** The guest's kernel told a panic device that it has given up. */
    PANIC,
    /** A watchdog device was not reset in time. */
    WATCHDOG,
    /** The guest reset the machine; a restart that somebody wanted looks the same. */
    RESET,
    /** A disk gave an error. */
    DISK,
    /** The host's memory gave an error. */
    MEMORY;

    public String key() {
        return name().toLowerCase(Locale.ROOT);
    }
}
