// SPDX-License-Identifier: Apache-2.0
package io.backstep.engine;

import io.backstep.core.Fault;

/** Hears what an engine does, on the engine's thread. */
public interface EngineListener {
    /** Something that the user should know; each text comes once. */
    void warning(String text);

    void faultInjected(Fault fault);

    void errorDetected(DetectionRecord detection, String detail);

    void rolledBack(RollbackRecord rollback);

    /** Nothing is left to try: the error takes its course. */
    void gaveUp(String error);
}
