// SPDX-License-Identifier: Apache-2.0
package io.backstep.example;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.SplittableRandom;

import io.backstep.core.FaultSurface;
import io.backstep.engine.StatusSnapshot;
import io.backstep.target.process.Victim;
import io.backstep.target.region.Region;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/**
 * The worked example: an order book whose memory is corrupted again and again comes to the same state as one that is
 * not. -Dbackstep.seed=N replays the choices of a failure.
 */
class OrderBookTest {
    private static final int CAPACITY = 8 << 20; // 256 MiB
    private static final long SEED = Long.getLong("backstep.seed", System.nanoTime());

    @BeforeAll
    static void assumeProtection() {
        Victim.assumeProtection();
        System.out.println("OrderBookTest: replay with -Dbackstep.seed=" + SEED);
    }

    @Test
    @Timeout(120)
    void shouldEndAsWithoutFaults() {
        run(3_000_000, 150_000);
    }

    static void run(long updates, int updatesPerFault) {
        long expected = undisturbed(updates);
        try (ProtectedOrderBook book = new ProtectedOrderBook(CAPACITY)) {
            BitFlips flips = new BitFlips(book, updatesPerFault);
            long startNs = System.nanoTime();
            book.feed(updates, flips::beforeUpdate);
            double seconds = (System.nanoTime() - startNs) / 1e9;

            StatusSnapshot status = book.backstep().engine().requestStatus().join();
            System.out.printf(
                    "OrderBookTest: %,d updates, %,.0f per second, %d bit flips, %d rollbacks, %,d repeated; %s%n",
                    updates, updates / seconds, flips.count, book.rollbacks(), book.repeated(), status);
            assertEquals(expected, book.book().digest());
            assertTrue(flips.count > 0, flips.count + " faults");
            assertTrue(book.rollbacks() > 0 && book.rollbacks() <= flips.count, book.rollbacks() + " rollbacks");
        }
    }

    private static long undisturbed(long updates) {
        try (Region orders = Region.map("orders", OrderBook.ordersBytes(CAPACITY));
                Region levels = Region.map("levels", OrderBook.LEVELS_BYTES);
                Region ticks = Region.map("ticks", OrderBook.TICKS_BYTES)) {
            OrderBook book = new OrderBook(orders.buffer(), levels.buffer(), ticks.buffer());
            for (long update = 0; update < updates; update++) {
                book.apply(update);
            }
            return book.digest();
        }
    }

    /**
     * Inverts one to three bits of a word now and then: of the levels, of the ticks, or of the order that is used next.
     * They are transient faults: an update that is repeated is not disturbed again. And they are rare: one that struck
     * soon after a rollback would count as the same one that came back, and lead to an older checkpoint.
     */
    private static final class BitFlips {
        private static final int CHECKPOINTS_BETWEEN = 3;

        private final ProtectedOrderBook book;
        private final FaultSurface surface;
        private final SplittableRandom random = new SplittableRandom(SEED);
        private final int updatesPerFault;
        private long nextAt;
        private long nextCheckpoints;
        private int count;

        BitFlips(ProtectedOrderBook book, int updatesPerFault) {
            this.book = book;
            this.updatesPerFault = updatesPerFault;
            surface = book.backstep().target().faultSurface();
            plan(0);
        }

        private void plan(long update) {
            nextAt = update + 1 + random.nextInt(2 * updatesPerFault);
            nextCheckpoints = book.checkpoints() + CHECKPOINTS_BETWEEN;
        }

        void beforeUpdate(long update) {
            if (update < nextAt || book.checkpoints() < nextCheckpoints) {
                return;
            }
            switch (random.nextInt(3)) {
                case 0 -> flip("levels", random.nextInt(OrderBook.LEVELS_BYTES / Long.BYTES) * Long.BYTES);
                case 1 -> flip("ticks", random.nextInt(OrderBook.TICKS_BYTES / Long.BYTES) * Long.BYTES);
                default -> flip("orders", book.book().offsetOfOrder(update) + random.nextInt(4) * Long.BYTES);
            }
            count++;
            plan(update);
        }

        private void flip(String region, int offset) {
            long mask = 0;
            for (int bits = 1 + random.nextInt(3); bits > 0; bits--) {
                mask |= 1L << random.nextInt(Long.SIZE);
            }
            surface.flipMemory(book.backstep().region(region).address() + offset, mask);
        }
    }
}
