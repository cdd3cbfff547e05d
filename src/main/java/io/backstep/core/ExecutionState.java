// SPDX-License-Identifier: Apache-2.0
package io.backstep.core;

/**
 * What a target needs besides its pages to be as it was: registers, mappings, descriptors, devices. Only the target
 * that filled it knows its inside. It is used again and again: {@link #clear()} lets go of what it holds.
 */
public interface ExecutionState extends AutoCloseable {
    /** Bytes of memory that it takes. */
    long sizeBytes();

    /** Is it what it was when it was filled? Looks at all of it, by a checksum. */
    boolean isIntact();

    void clear();

    @Override
    void close();
}
