// SPDX-License-Identifier: Apache-2.0
package io.backstep.engine;

import io.backstep.core.Fault;

/** Hears what an engine does, on the engine's thread. Does nothing unless overridden. */
public interface EngineListener {
    /** Something that the user should know; each text comes once. */
    default void warning(String text) {
    }

    /** The coverage that was asked for is not there, or is there again. Told for each change. */
    default void coverageChanged(String text) {
    }

    default void faultInjected(Fault fault) {
    }

    default void errorDetected(DetectionRecord detection, String detail) {
    }

    default void rolledBack(RollbackRecord rollback) {
    }

    /** Nothing is left to try: the error takes its course. */
    default void gaveUp(String error) {
    }
}
