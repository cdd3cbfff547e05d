// SPDX-License-Identifier: Apache-2.0
package io.backstep.cli;

import java.util.List;
import java.util.function.IntConsumer;

import io.backstep.Backstep;
import io.backstep.sys.Signals;
import io.backstep.target.process.ProcessTarget;

/** What an interrupt, a hang-up or a termination request to backstep means for the target. */
enum SignalPolicy {
    /** The target was started by us: what a terminal's keys send reaches it anyway, the others are passed on. */
    PASS_ON {
        @Override
        IntConsumer actionOn(Backstep backstep) {
            return number -> {
                if (!FROM_KEYS.contains(number) && backstep.target() instanceof ProcessTarget process) {
                    process.signal(number);
                }
            };
        }
    },
    /** The target was there before us: it is let go. */
    DETACH {
        @Override
        IntConsumer actionOn(Backstep backstep) {
            return number -> backstep.engine().requestDetach();
        }
    };

    private static final List<Integer> FROM_KEYS = List.of(Signals.number("INT"), Signals.number("QUIT"));
    private static final List<Integer> RECEIVED =
            List.of(FROM_KEYS.get(0), FROM_KEYS.get(1), Signals.number("TERM"), Signals.number("HUP"));

    abstract IntConsumer actionOn(Backstep backstep);

    /** Takes the signals over; none is acted on once the returned is closed. */
    Signals.Receiving install(Backstep backstep) {
        return Signals.receive(RECEIVED, actionOn(backstep));
    }
}
