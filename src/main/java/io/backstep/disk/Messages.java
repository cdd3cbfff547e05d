// SPDX-License-Identifier: Apache-2.0
package io.backstep.disk;

import java.util.HashMap;
import java.util.Map;
import java.util.function.Consumer;

/** What goes wrong while the disk is served, told once: a failing disk would say the same thousands of times. */
final class Messages {
    private static final int DIFFERENT_LIMIT = 100;

    private final Consumer<String> out;
    private final Map<String, Integer> counts = new HashMap<>();
    private long total;

    Messages(Consumer<String> out) {
        this.out = out;
    }

    synchronized void tell(String message) {
        total++;
        if (counts.size() < DIFFERENT_LIMIT || counts.containsKey(message)) {
            if (counts.merge(message, 1, Integer::sum) == 1) {
                out.accept(message);
            }
        }
    }

    /** All, repeated ones too. */
    synchronized long total() {
        return total;
    }
}
