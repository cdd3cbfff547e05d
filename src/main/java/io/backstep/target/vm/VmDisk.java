// SPDX-License-Identifier: Apache-2.0
package io.backstep.target.vm;

import io.backstep.core.BackstepException;

/**
 * A disk of the machine whose writes can be taken back. The machine stands when these are called, but for {@link #drop}.
 * Failures are {@link BackstepException}s.
 */
public interface VmDisk extends AutoCloseable {
    /** Begins to mark this moment; marks ascend. */
    void beginMark(long mark);

    /** Waits until the moment is marked. FAILED: it is not, and all marks may be gone. */
    void endMark();

    /** The oldest mark that the disk can be taken back to; Long.MAX_VALUE if there is none. */
    long oldestMark();

    /** A mark is not needed any more. */
    void drop(long mark);

    /** Makes the disk what it was at a mark; newer marks are gone then. BROKEN: it may be anything. */
    void rollBack(long mark);

    @Override
    void close();
}
