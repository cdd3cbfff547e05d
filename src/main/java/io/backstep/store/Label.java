// SPDX-License-Identifier: Apache-2.0
package io.backstep.store;

import org.agrona.UnsafeApi;

/**
 * What lies beside a frame wherever tables and logs move it: whose it is, and the checksum of its content. A label is
 * named by its address.
 *
 * <pre>
 *    0  {@link Owner}
 *    8  seal: the CRC32C of the content (32 bits)
 *   12  check of owner and place (32 bits)
 * </pre>
 */
final class Label {
    private static final int OWNER = 0;
    private static final int SEAL = OWNER + Long.BYTES;
    private static final int CHECK = SEAL + Integer.BYTES;
    static final int BYTES = CHECK + Integer.BYTES;

    private Label() {
    }

    /** Whose the frame is, if the label {@link #isLegible}. */
    static long owner(long label) {
        return UnsafeApi.getLong(label + OWNER);
    }

    static void own(long label, long owner) {
        UnsafeApi.putLong(label + OWNER, owner);
        UnsafeApi.putInt(label + CHECK, check(label, owner));
    }

    /** Is the owner what was written? */
    static boolean isLegible(long label) {
        return UnsafeApi.getInt(label + CHECK) == check(label, owner(label));
    }

    /** Does the label say, legibly, that the frame belongs to somebody? Whatever else it notes of the content. */
    static boolean isOwnedBy(long label, long owner) {
        long found = owner(label);
        return Owner.bare(found) == owner && UnsafeApi.getInt(label + CHECK) == check(label, found);
    }

    static int seal(long label) {
        return UnsafeApi.getInt(label + SEAL);
    }

    static void putSeal(long label, int checksum) {
        UnsafeApi.putInt(label + SEAL, checksum);
    }

    private static int check(long label, long owner) {
        return (int) Mixing.mix(owner, label);
    }
}
