// SPDX-License-Identifier: Apache-2.0
package io.backstep.store;

/**
 * Whose a frame is, as one word on its label. What a frame is used for and for which page is thus known twice, by the
 * table or log that names the frame and by the frame, and neither is believed alone.
 *
 * <pre>
 *   role (4 bits) | broken (1) | sealed (1) | number (58 bits): a page, or the index of a leaf
 * </pre>
 */
final class Owner {
    /** What a label says that was struck. */
    static final long ILLEGIBLE = 0;
    /** Nobody's. */
    static final long FREE = 1L << 60;
    /** In the hands of who fills it. */
    static final long TAKEN = 2L << 60;

    private static final long LEAF = 3L << 60;
    private static final long MIRROR = 4L << 60;
    private static final long LOG = 5L << 60;
    private static final long ROLE = 0xFL << 60;
    private static final long BROKEN = 1L << 59;
    private static final long SEALED = 1L << 58;
    private static final long FLAGS = BROKEN | SEALED;
    private static final long NUMBER = SEALED - 1;

    private Owner() {
    }

    /** A leaf of the mirror's table. */
    static long leaf(long index) {
        return LEAF | index;
    }

    /** The mirror, for a page. */
    static long mirror(long page) {
        return MIRROR | page;
    }

    /** An undo log, for a page. */
    static long log(long page) {
        return LOG | page;
    }

    static boolean isLeaf(long owner) {
        return (owner & ROLE) == LEAF;
    }

    static boolean isMirror(long owner) {
        return (owner & ROLE) == MIRROR;
    }

    static boolean isLog(long owner) {
        return (owner & ROLE) == LOG;
    }

    static boolean isFree(long owner) {
        return (owner & ROLE) == FREE;
    }

    static long number(long owner) {
        return owner & NUMBER;
    }

    /** The owner without what is noted about the content. */
    static long bare(long owner) {
        return owner & ~FLAGS;
    }

    /** Another owner, of which the same is noted about the content. */
    static long withFlagsOf(long owner, long noted) {
        return owner | (noted & FLAGS);
    }

    /** The content has a checksum. */
    static boolean isSealed(long owner) {
        return (owner & SEALED) != 0;
    }

    static long sealed(long owner) {
        return owner | SEALED;
    }

    /** The content is known to be wrong and could not be repaired. */
    static boolean isBroken(long owner) {
        return (owner & BROKEN) != 0;
    }

    static long broken(long owner) {
        return owner | BROKEN;
    }
}
