// SPDX-License-Identifier: Apache-2.0
package io.backstep.target.region;

/**
 * Brings all threads that write to the protected regions to rest at points where their data is consistent, and lets them
 * go again. Called by the engine's thread, {@link #stop} and {@link #go} in turn.
 */
public interface Quiescence {
    /** Nobody writes but the thread that asks for checkpoints. */
    Quiescence CALLER = new Quiescence() {
        @Override
        public boolean stop(long deadlineNs) {
            return true;
        }

        @Override
        public void go() {
        }
    };

    /**
     * Waits until nobody writes, and nobody will until {@link #go()}.
     *
     * @param deadlineNs by System.nanoTime
     * @return false if that did not come about in time; then everybody goes on as if nothing had been asked
     */
    boolean stop(long deadlineNs);

    /** Lets everybody write again. Without effect when they may. */
    void go();
}
