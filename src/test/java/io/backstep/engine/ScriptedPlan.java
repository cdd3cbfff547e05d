// SPDX-License-Identifier: Apache-2.0
package io.backstep.engine;

import java.util.ArrayDeque;
import java.util.Deque;

import io.backstep.core.BackstepException;
import io.backstep.core.BackstepException.Reason;
import io.backstep.core.Fault;
import io.backstep.core.FaultPlan;
import io.backstep.core.FaultSurface;

/** Faults at times given by hand, each of which flips a bit of the first register. */
final class ScriptedPlan implements FaultPlan {
    private record Entry(long afterStartNs, long noticedAfterNs, boolean fails) {
    }

    private final Deque<Entry> entries = new ArrayDeque<>();

    ScriptedPlan fault(long afterStartNs) {
        return noticed(afterStartNs, Fault.UNNOTICED);
    }

    /** A fault that a detector knows of that long after it. */
    ScriptedPlan noticed(long afterStartNs, long noticedAfterNs) {
        entries.add(new Entry(afterStartNs, noticedAfterNs, false));
        return this;
    }

    /** A fault that cannot be injected. */
    ScriptedPlan failure(long afterStartNs) {
        entries.add(new Entry(afterStartNs, Fault.UNNOTICED, true));
        return this;
    }

    @Override
    public long nextAfterStartNs() {
        return entries.isEmpty() ? Long.MAX_VALUE : entries.peek().afterStartNs;
    }

    @Override
    public Fault strike(FaultSurface surface, long nowNs) {
        Entry entry = entries.remove();
        if (entry.fails) {
            throw new BackstepException(Reason.FAILED, "there is no such register");
        }
        surface.flipRegister(0, surface.registers().get(0), 1);
        return new Fault(nowNs, "register", "thread 0 pc bit 0", 7, entry.noticedAfterNs);
    }
}
