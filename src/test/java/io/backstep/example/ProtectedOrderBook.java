// SPDX-License-Identifier: Apache-2.0
package io.backstep.example;

import java.util.concurrent.locks.LockSupport;
import java.util.function.LongConsumer;

import io.backstep.Backstep;
import io.backstep.engine.EngineListener;
import io.backstep.target.region.ChecksumDetector;
import io.backstep.target.region.InvariantDetector;
import io.backstep.target.region.Problem;
import io.backstep.target.region.Region;
import io.backstep.target.region.RegionListener;
import io.backstep.target.region.SingleWriterQuiescence;
import org.agrona.DirectBuffer;
import org.agrona.MutableDirectBuffer;

/**
 * The order book under protection: a checkpoint every 10 ms with the number of the next update in its record, three
 * ways to notice that something is wrong, and a feed that goes on wherever a rollback has led it.
 *
 * <p>Every checkpoint was checked before it was taken, so the newest one is always good, as far as the detectors see.
 */
final class ProtectedOrderBook implements RegionListener, EngineListener, AutoCloseable {
    private static final long INTERVAL_NS = 10_000_000;
    private static final long UPDATES_PER_S = 1_000_000;
    private static final int UPDATES_PER_CYCLE = 100;
    private static final long PAUSE_NS = 20_000;

    private final SingleWriterQuiescence writer = new SingleWriterQuiescence();
    private final OrderBook book;
    private final Backstep backstep;
    private long next; // of the writer, and of backstep's thread while the writer rests
    private long checkpoints; // the same
    private long rollbacks; // the same
    private long repeated; // the same
    private volatile String lost;

    ProtectedOrderBook(int capacity) {
        Region orders = Region.map("orders", OrderBook.ordersBytes(capacity));
        Region levels = Region.map("levels", OrderBook.LEVELS_BYTES);
        Region ticks = Region.map("ticks", OrderBook.TICKS_BYTES + ChecksumDetector.SUM_BYTES);
        book = new OrderBook(orders.buffer(), levels.buffer(), ticks.buffer());
        backstep = Backstep.launch(new Backstep.Context()
                .region(orders)
                .region(levels)
                .region(ticks)
                .quiescence(writer)
                .intervalNs(INTERVAL_NS)
                .regionListener(this)
                .listener(this)
                .detector(new InvariantDetector("balance", levels.buffer(), OrderBook::isBalanced), 1)
                .detector(new ChecksumDetector("ticks", ticks.buffer(), 0, OrderBook.TICKS_BYTES), 1));
    }

    /* ---- backstep's thread, while the writer rests ---- */

    @Override
    public int onCheckpoint(MutableDirectBuffer record) {
        checkpoints++;
        record.putLong(0, next);
        return Long.BYTES;
    }

    @Override
    public void afterRollback(DirectBuffer record, int length) {
        long then = record.getLong(0);
        repeated += next - then;
        next = then;
        rollbacks++;
    }

    /** No checkpoint is left to try. */
    @Override
    public void gaveUp(String error) {
        lost = error;
    }

    /* ---- the writer ---- */

    /**
     * Applies all updates up to a number, which could come from a log or a network that can be asked for them again.
     *
     * @param beforeEach is told the number of each update
     */
    void feed(long end, LongConsumer beforeEach) {
        long first = next;
        long startNs = System.nanoTime();
        do {
            writer.quiescentState();
            long due = first + (System.nanoTime() - startNs) / (1_000_000_000 / UPDATES_PER_S);
            if (next < Math.min(end, due)) {
                applySome(Math.min(end, due), beforeEach);
            } else if (next < end) {
                LockSupport.parkNanos(PAUSE_NS);
            }
        } while (next < end || !isAllWell(end));
        writer.offline();
    }

    private void applySome(long end, LongConsumer beforeEach) {
        try {
            for (int i = 0; i < UPDATES_PER_CYCLE && next < end; i++) {
                beforeEach.accept(next);
                book.apply(next);
                next++;
            }
        } catch (RuntimeException e) {
            awaitRollback(Problem.now("broken order", e.getMessage()));
        }
    }

    /** What is wrong must not be used: nothing is done until it has been put right. */
    private void awaitRollback(Problem problem) {
        long before = rollbacks;
        backstep.errorNoticed("order", problem);
        while (rollbacks == before) {
            writer.quiescentState();
            requireProtection();
        }
    }

    /** The last updates were not checked yet: a checkpoint asks the detectors, and may lead back, too. */
    private boolean isAllWell(long end) {
        writer.offline(); // or the checkpoint would wait for this thread, and this thread for the checkpoint
        backstep.checkpoint();
        writer.online();
        requireProtection();
        return next == end;
    }

    private void requireProtection() {
        if (lost != null || backstep.failure() != null) {
            throw new IllegalStateException("no checkpoint helps against: " + lost, backstep.failure());
        }
    }

    OrderBook book() {
        return book;
    }

    Backstep backstep() {
        return backstep;
    }

    /** How many were taken. */
    long checkpoints() {
        return checkpoints;
    }

    long rollbacks() {
        return rollbacks;
    }

    /** How many updates were applied more than once. */
    long repeated() {
        return repeated;
    }

    @Override
    public void close() {
        writer.offline();
        backstep.close();
    }
}
