// SPDX-License-Identifier: Apache-2.0
package io.backstep.cli;

import java.util.Locale;
import java.util.OptionalLong;

/**
 * What a client of the control socket asks for.
 *
 * @param to the checkpoint to roll back to; with ROLLBACK only, and empty for the one that retention prefers
 */
record ControlRequest(Command command, OptionalLong to) {
    /** What can be asked. */
    enum Command {
        STATUS, CHECKPOINT, ROLLBACK, DETACH;

        private final String key = name().toLowerCase(Locale.ROOT);

        /** Its name in the protocol and on the command line. */
        String key() {
            return key;
        }

        /** The command of that name, or null. */
        static Command of(String key) {
            for (Command command : values()) {
                if (command.key.equals(key)) {
                    return command;
                }
            }
            return null;
        }

        /** All names, for messages. */
        static String keys() {
            StringBuilder keys = new StringBuilder();
            for (Command command : values()) {
                keys.append(keys.isEmpty() ? "" : ", ").append(command.key);
            }
            return keys.toString();
        }
    }
}
