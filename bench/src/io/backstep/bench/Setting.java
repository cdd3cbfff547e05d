// SPDX-License-Identifier: Apache-2.0
package io.backstep.bench;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * Where things are and how long a measurement may take.
 *
 * @param quick the short form: the same questions with fewer repetitions
 */
record Setting(Path home, boolean quick) {
    static final long INTERVAL_NS = 50_000_000L;

    /** How often something is repeated. */
    int times(int full, int short_) {
        return quick ? short_ : full;
    }

    /** The command line of a victim of the tests. */
    List<String> victim(String name, Object... arguments) {
        List<String> command = new ArrayList<>();
        command.add(home.resolve("target/victims").resolve(name).toString());
        for (Object argument : arguments) {
            command.add(argument.toString());
        }
        return command;
    }

    /** The command line of the C compiler proper. */
    List<String> compiler(String... arguments) {
        List<String> command = new ArrayList<>(List.of(System.getProperty("bench.cc1", "cc1"), "-quiet"));
        command.addAll(List.of(arguments));
        command.addAll(List.of("-o", "/dev/null"));
        return command;
    }

    Path launcher() {
        return home.resolve("backstep");
    }

    /** A directory for inputs. */
    Path work() {
        return home.resolve("target/bench");
    }
}
