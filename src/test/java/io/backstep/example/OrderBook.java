// SPDX-License-Identifier: Apache-2.0
package io.backstep.example;

import org.agrona.DirectBuffer;
import org.agrona.MutableDirectBuffer;

/**
 * An order book that lies off-heap as a whole and knows nothing of checkpoints. One thread applies numbered updates;
 * the same updates make the same book.
 *
 * <pre>
 *  orders   | level 8 | quantity 8 | update 8 | check 8 |  ... for each order
 *  levels   | quantity of all 8 | orders of all 8 |  then | quantity 8 | orders 8 |  ... for each price level
 *  ticks    | tick 8 |  ... for each price level, constant; then room for a checksum
 * </pre>
 */
final class OrderBook {
    static final int LEVELS = 4096;
    static final int TICKS_BYTES = LEVELS * Long.BYTES;

    private static final int LEVEL = 0;
    private static final int QUANTITY = LEVEL + Long.BYTES;
    private static final int UPDATE = QUANTITY + Long.BYTES;
    private static final int CHECK = UPDATE + Long.BYTES;
    private static final int ORDER_BYTES = CHECK + Long.BYTES;

    private static final int LEVEL_QUANTITY = 0;
    private static final int LEVEL_ORDERS = LEVEL_QUANTITY + Long.BYTES;
    private static final int LEVEL_BYTES = LEVEL_ORDERS + Long.BYTES;
    static final int LEVELS_BYTES = (1 + LEVELS) * LEVEL_BYTES;

    private static final int UPDATES_PER_NEW_ORDER = 4;
    private static final int YOUNG_ORDERS = 4096;
    private static final int OLD_ORDERS = 1 << 20;

    private final MutableDirectBuffer orders;
    private final MutableDirectBuffer levels;
    private final MutableDirectBuffer ticks;
    private final int capacity;

    /** A book in memory of zeros, filled with orders. */
    OrderBook(MutableDirectBuffer orders, MutableDirectBuffer levels, MutableDirectBuffer ticks) {
        this.orders = orders;
        this.levels = levels;
        this.ticks = ticks;
        capacity = orders.capacity() / ORDER_BYTES;
        for (int level = 0; level < LEVELS; level++) {
            ticks.putLong(level * Long.BYTES, 1 + level % 100);
        }
        for (int order = 0; order < capacity; order++) {
            put(order, order % LEVELS, 100, 0);
        }
    }

    static int ordersBytes(int capacity) {
        return capacity * ORDER_BYTES;
    }

    /**
     * Moves an order to another price.
     *
     * @throws IllegalStateException the order is not as it was written
     */
    void apply(long update) {
        int order = orderOf(update);
        int at = order * ORDER_BYTES;
        long level = orders.getLong(at + LEVEL);
        long quantity = orders.getLong(at + QUANTITY);
        if (orders.getLong(at + CHECK) != check(level, quantity, orders.getLong(at + UPDATE))) {
            throw new IllegalStateException("order " + order + " is not as it was written");
        }
        add((int) level, -quantity, -1);
        long random = mix(~update);
        int newLevel = (int) (random & LEVELS - 1);
        put(order, newLevel, (random >>> 32 & 1023) * ticks.getLong(newLevel * Long.BYTES), update);
    }

    /** Mostly a young one. */
    private int orderOf(long update) {
        long random = mix(update);
        long age = (random >>> 5) % ((random & 31) == 0 ? OLD_ORDERS : YOUNG_ORDERS);
        return (int) Math.floorMod(update / UPDATES_PER_NEW_ORDER - age, (long) capacity);
    }

    private void put(int order, int level, long quantity, long update) {
        int at = order * ORDER_BYTES;
        orders.putLong(at + LEVEL, level);
        orders.putLong(at + QUANTITY, quantity);
        orders.putLong(at + UPDATE, update);
        orders.putLong(at + CHECK, check(level, quantity, update));
        add(level, quantity, 1);
    }

    private void add(int level, long quantity, int count) {
        addTo(0, quantity, count);
        addTo((1 + level) * LEVEL_BYTES, quantity, count);
    }

    private void addTo(int at, long quantity, int count) {
        levels.putLong(at + LEVEL_QUANTITY, levels.getLong(at + LEVEL_QUANTITY) + quantity);
        levels.putLong(at + LEVEL_ORDERS, levels.getLong(at + LEVEL_ORDERS) + count);
    }

    private static long check(long level, long quantity, long update) {
        return mix(mix(mix(level) + quantity) + update);
    }

    private static long mix(long value) {
        long mixed = (value ^ value >>> 30) * 0xbf58476d1ce4e5b9L;
        mixed = (mixed ^ mixed >>> 27) * 0x94d049bb133111ebL;
        return mixed ^ mixed >>> 31;
    }

    /** Is the sum of all levels what it should be? True after each update, given the levels' memory. */
    static boolean isBalanced(DirectBuffer levels) {
        long quantity = 0;
        long count = 0;
        for (int at = LEVEL_BYTES; at < LEVELS_BYTES; at += LEVEL_BYTES) {
            quantity += levels.getLong(at + LEVEL_QUANTITY);
            count += levels.getLong(at + LEVEL_ORDERS);
        }
        return quantity == levels.getLong(LEVEL_QUANTITY) && count == levels.getLong(LEVEL_ORDERS);
    }

    /** Where the order lies that an update is about, for who wants to break it. */
    int offsetOfOrder(long update) {
        return orderOf(update) * ORDER_BYTES;
    }

    /** A number that differs when any byte of the book does. */
    long digest() {
        return digest(digest(digest(0, orders, orders.capacity()), levels, LEVELS_BYTES), ticks, TICKS_BYTES);
    }

    private static long digest(long before, DirectBuffer buffer, int lengthBytes) {
        long digest = before;
        for (int i = 0; i < lengthBytes; i += Long.BYTES) {
            digest = digest * 0x9e3779b97f4a7c15L + buffer.getLong(i);
        }
        return digest;
    }
}
