// SPDX-License-Identifier: Apache-2.0
package io.backstep.cli;

import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;

import io.backstep.Backstep;
import io.backstep.sys.Signals;
import io.backstep.target.process.ProcessTarget;
import sun.misc.Signal;
import sun.misc.SignalHandler;

/** What an interrupt, a hang-up or a termination request to backstep means for the target. */
enum SignalPolicy {
    /** The target was started by us: a terminal's interrupt reaches it anyway, the others are passed on. */
    PASS_ON {
        @Override
        Consumer<String> actionOn(Backstep backstep) {
            return name -> {
                if (!name.equals("INT") && backstep.target() instanceof ProcessTarget process) {
                    process.signal(Signals.number(name));
                }
            };
        }
    },
    /** The target was there before us: it is let go. */
    DETACH {
        @Override
        Consumer<String> actionOn(Backstep backstep) {
            return name -> backstep.engine().requestDetach();
        }
    };

    private static final List<String> NAMES = List.of("INT", "TERM", "HUP");

    abstract Consumer<String> actionOn(Backstep backstep);

    /** Takes the signals over; closing gives them back. */
    AutoCloseable install(Backstep backstep) {
        Consumer<String> action = actionOn(backstep);
        List<Runnable> undo = new ArrayList<>();
        for (String name : NAMES) {
            Signal signal = new Signal(name);
            SignalHandler before = Signal.handle(signal, received -> action.accept(name));
            undo.add(() -> Signal.handle(signal, before));
        }
        return () -> undo.forEach(Runnable::run);
    }
}
