// SPDX-License-Identifier: Apache-2.0
package io.backstep.engine;

import io.backstep.core.BackstepException;
import io.backstep.core.BackstepException.Reason;
import io.backstep.core.FramePool;
import io.backstep.core.LongVector;

/**
 * Keeps a target's pool filled with frames for what it saves by itself: as many as it used in the last interval and half
 * as many again. Within an interval it is filled up whenever few are left, each time with twice as many. Not thread-safe.
 */
final class Stock implements AutoCloseable {
    private static final long SPARE_FRAMES = 512;
    private static final long AT_ANY_PRICE = 64;
    private static final int FEW_PARTS = 4;
    private static final long MOST_AT_ONCE = 16_384;

    /** Where frames come from. */
    @FunctionalInterface
    interface Supplier {
        /**
         * Fills a vector up to a count; false if there are not so many.
         *
         * @param atAnyPrice old checkpoints may be dropped for it
         */
        boolean supply(LongVector into, long count, boolean atAnyPrice);
    }

    private final FramePool pool;
    private final Supplier supplier;
    private final LongVector frames = new LongVector();
    private long wanted = SPARE_FRAMES;

    /** The pool may be null: then there is nothing to do. */
    Stock(FramePool pool, Supplier supplier) {
        this.pool = pool;
        this.supplier = supplier;
    }

    /** After a capture: the coming interval will need about as many as the last one. */
    void expect(long lastUsed) {
        if (pool == null) {
            return;
        }
        wanted = lastUsed + (lastUsed >> 1) + SPARE_FRAMES;
        supplier.supply(frames, Math.max(0, wanted - pool.size()), false);
        hand();
    }

    /**
     * Adds frames if few are left.
     *
     * @throws BackstepException OUT_OF_BUDGET: there are none, and none could be had
     */
    void fill() {
        if (pool == null || pool.size() >= few()) {
            return;
        }
        boolean supplied = supplier.supply(frames, wanted, false) || supplier.supply(frames, AT_ANY_PRICE, true);
        hand();
        if (!supplied && pool.size() == 0) {
            throw new BackstepException(Reason.OUT_OF_BUDGET,
                    "no memory is left of the budget for what the target saves while it runs");
        }
        wanted = Math.min(2 * wanted, Math.max(wanted, MOST_AT_ONCE));
    }

    /** After a capture: takes frames out of the pool that are not likely to be needed, an eighth of them at a time. */
    void takeBack(LongVector into) {
        long surplus = pool == null ? 0 : (pool.size() - 2 * wanted) >> 3;
        if (surplus > 0) {
            pool.takeBack(into, surplus);
        }
    }

    private long few() {
        return wanted / FEW_PARTS;
    }

    private void hand() {
        pool.add(frames, few());
        frames.clear();
    }

    @Override
    public void close() {
        frames.close();
    }
}
