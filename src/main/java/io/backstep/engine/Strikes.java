// SPDX-License-Identifier: Apache-2.0
package io.backstep.engine;

import java.util.function.LongSupplier;

import io.backstep.core.Fault;
import io.backstep.core.FaultPlan;
import io.backstep.core.Target;

/**
 * The faults that a run injects by plan, and the detector that is played for those which shall be noticed by plan.
 * Times are those of the clock.
 */
final class Strikes {
    private final FaultPlan plan;
    private final Target target;
    private final RunLog log;
    private final EngineListener listener;
    private final LongSupplier clock;
    private Fault toBeNoticed;
    private Fault toBeTold;

    Strikes(FaultPlan plan, Target target, RunLog log, EngineListener listener, LongSupplier clock) {
        this.plan = plan;
        this.target = target;
        this.log = log;
        this.listener = listener;
        this.clock = clock;
    }

    /** When the next fault is due; Long.MAX_VALUE for never. */
    long nextNs() {
        long afterStart = plan.nextAfterStartNs();
        return afterStart == Long.MAX_VALUE ? afterStart : log.startNs() + afterStart;
    }

    boolean isDue(long now) {
        return plan.nextAfterStartNs() <= now - log.startNs();
    }

    /** When the next error is to be noticed; Long.MAX_VALUE for never. */
    long noticeNs() {
        return toBeNoticed == null ? Long.MAX_VALUE : toBeNoticed.atNs() + toBeNoticed.noticedAfterNs();
    }

    boolean isNoticeDue(long now) {
        return toBeNoticed != null && now - noticeNs() >= 0;
    }

    /** Strikes. The target runs on, unless there was a failure; telling takes its time, and waits for {@link #tell()}. */
    void strike() {
        tell();
        target.halt();
        Fault fault = plan.strike(target.faultSurface(), clock.getAsLong());
        Fault struck = fault.at(clock.getAsLong()); // to strike takes its time; it takes effect now
        target.resume();
        log.injected(struck);
        toBeTold = struck;
        if (struck.noticedAfterNs() != Fault.UNNOTICED) {
            toBeNoticed = struck;
        }
    }

    /** The fault that is noticed now. */
    Fault notice() {
        Fault fault = toBeNoticed;
        toBeNoticed = null;
        return fault;
    }

    /** What the target did from that time on was undone. */
    void undoneFrom(long checkpointNs) {
        if (toBeNoticed != null && checkpointNs - toBeNoticed.atNs() <= 0) {
            toBeNoticed = null;
        }
    }

    /** Tells of the fault that struck last, once. */
    void tell() {
        if (toBeTold != null) {
            listener.faultInjected(toBeTold);
            toBeTold = null;
        }
    }
}
