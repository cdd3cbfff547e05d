// SPDX-License-Identifier: Apache-2.0
package io.backstep.cli;

import java.util.List;

import io.backstep.Backstep;
import io.backstep.sys.Signals;
import io.backstep.target.process.ProcessTarget;

/** What an interrupt, a hang-up or a termination request to backstep means for the target. */
enum SignalPolicy {
    /** The target was started by us: what a terminal's keys send reaches it anyway, the others are passed on. */
    PASS_ON {
        @Override
        void act(Backstep backstep, int number) {
            if (!FROM_KEYS.contains(number)) {
                passOn(backstep, number);
            }
        }

        /** The keys may have been struck when there was no program yet. */
        @Override
        void actOnEarly(Backstep backstep, int number) {
            passOn(backstep, number);
        }

        private void passOn(Backstep backstep, int number) {
            if (backstep.target() instanceof ProcessTarget process) {
                process.signal(number);
            }
        }
    },
    /** The target was there before us: it is let go. */
    DETACH {
        @Override
        void act(Backstep backstep, int number) {
            backstep.engine().requestDetach();
        }

        @Override
        void actOnEarly(Backstep backstep, int number) {
            act(backstep, number);
        }
    };

    private static final List<Integer> FROM_KEYS = List.of(Signals.number("INT"), Signals.number("QUIT"));
    static final List<Integer> RECEIVED =
            List.of(FROM_KEYS.get(0), FROM_KEYS.get(1), Signals.number("TERM"), Signals.number("HUP"));

    abstract void act(Backstep backstep, int number);

    /** For a signal that came before the target was there. */
    abstract void actOnEarly(Backstep backstep, int number);
}
