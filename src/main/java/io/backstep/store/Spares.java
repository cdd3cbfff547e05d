// SPDX-License-Identifier: Apache-2.0
package io.backstep.store;

/**
 * What stands beside the sealed frames of a segment, so that a broken one can be repaired. Allocates nothing. Not
 * thread-safe.
 */
interface Spares {
    /** Nothing. */
    Spares NONE = new Spares() {
        @Override
        public void add(long frame) {
        }

        @Override
        public void remove(long frame) {
        }

        @Override
        public boolean repair(long frame) {
            return false;
        }

        @Override
        public boolean mend(long frame) {
            return true;
        }
    };

    /** A frame has just got its seal, and its label does not say so yet. */
    void add(long frame);

    /** A frame that was sealed is about to be overwritten. Its label says so from then on. */
    void remove(long frame);

    /**
     * Gives a sealed frame the content back that it was sealed with, or the seal.
     *
     * @return false if that is nowhere; then the frame is as it was
     */
    boolean repair(long frame);

    /**
     * Looks at what a sound frame would be repaired from, and makes it anew if it is wrong.
     *
     * @return false if it was wrong
     */
    boolean mend(long frame);
}
