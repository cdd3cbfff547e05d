// SPDX-License-Identifier: Apache-2.0
package io.backstep.cli;

import java.util.ArrayList;
import java.util.List;

import io.backstep.Backstep;
import io.backstep.sys.Signals;

/**
 * Signals to backstep, from before there is a target until protection ends. Those that come early wait for the target:
 * if one ended backstep while it starts a program, the program would be left behind.
 */
final class SignalReception implements AutoCloseable {
    private final SignalPolicy policy;
    private final List<Integer> early = new ArrayList<>();
    private Backstep backstep;
    private boolean hasEnded;

    SignalReception(SignalPolicy policy) {
        this.policy = policy;
    }

    /** Takes the signals over; none is acted on once the returned is closed. */
    Signals.Receiving begin() {
        return Signals.receive(SignalPolicy.RECEIVED, this::accept);
    }

    private synchronized void accept(int number) {
        if (backstep != null) {
            policy.act(backstep, number);
        } else if (!hasEnded) {
            early.add(number);
        }
    }

    /** From now on signals are acted on, first those that came early, until this is closed. */
    synchronized SignalReception actOn(Backstep launched) {
        early.forEach(number -> policy.actOnEarly(launched, number));
        backstep = launched;
        return this;
    }

    @Override
    public synchronized void close() {
        hasEnded = true;
        backstep = null;
    }
}
