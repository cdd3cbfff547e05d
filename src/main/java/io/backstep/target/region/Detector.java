// SPDX-License-Identifier: Apache-2.0
package io.backstep.target.region;

/**
 * The application's own check of its regions. It is asked before captures and after rollbacks, on the engine's thread,
 * while nobody writes: what it finds is not captured but rolled back, and what it finds after a rollback was there
 * before, so an older checkpoint is tried.
 */
public interface Detector {
    /** A short name for reports. */
    String name();

    /** What is wrong, or null. It may read the regions and must not write to them. */
    Problem check();
}
