// SPDX-License-Identifier: Apache-2.0
package io.backstep.target.region;

import org.agrona.DirectBuffer;
import org.agrona.MutableDirectBuffer;

/**
 * What an application does about captures and rollbacks of its regions. Called on the engine's thread while nobody
 * writes. Does nothing unless overridden.
 */
public interface RegionListener {
    /**
     * A checkpoint is being taken: what the application needs to go on from it, such as the sequence number of its
     * input, may be put into a record.
     *
     * @param record as long as the context says
     * @return how many bytes of it are used
     */
    default int onCheckpoint(MutableDirectBuffer record) {
        return 0;
    }

    /** The regions will be put back. */
    default void beforeRollback() {
    }

    /**
     * The regions are as they were. The record of that checkpoint is handed back.
     *
     * @param record valid during the call
     */
    default void afterRollback(DirectBuffer record, int length) {
    }
}
