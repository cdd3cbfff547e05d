// SPDX-License-Identifier: Apache-2.0
package io.backstep.disk;

import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * A request on the control channel: {@code mark N}, {@code drop N}, {@code rollback N}, {@code status},
 * {@code inject read-error OFFSET..LENGTH [count=K]}, {@code inject corrupt-read OFFSET..LENGTH [seed=S] [count=K]} or
 * {@code clear-faults}.
 */
final class ControlLine {
    /** The names that requests, and the kinds of faults, have. */
    static final String MARK = "mark";
    static final String DROP = "drop";
    static final String ROLLBACK = "rollback";
    static final String STATUS = "status";
    static final String INJECT = "inject";
    static final String CLEAR_FAULTS = "clear-faults";
    static final String READ_ERROR = "read-error";
    static final String CORRUPT_READ = "corrupt-read";

    private final String line;
    private final String[] words;

    ControlLine(String line) {
        this.line = line;
        words = line.trim().split(" +");
    }

    String name() {
        return words[0];
    }

    /** @throws IllegalArgumentException it is not that many words */
    void requireWords(int fewest, int most) {
        if (words.length < fewest || words.length > most) {
            throw bad();
        }
    }

    /** The number that is the second word. */
    long mark() {
        requireWords(2, 2);
        return number(words[1]);
    }

    /** The kind of a fault. */
    String kind() {
        requireWords(3, 5);
        return words[1];
    }

    long offset() {
        return number(range()[0]);
    }

    long length() {
        return number(range()[1]);
    }

    private String[] range() {
        String[] ends = words[2].split("\\.\\.", -1);
        if (ends.length != 2) {
            throw bad();
        }
        return ends;
    }

    /** What follows the range: of the given names only. */
    Map<String, Long> parameters(String... names) {
        Map<String, Long> found = new HashMap<>();
        for (int i = 3; i < words.length; i++) {
            String[] sides = words[i].split("=", 2);
            if (sides.length != 2 || !List.of(names).contains(sides[0])
                    || found.put(sides[0], number(sides[1])) != null) {
                throw bad();
            }
        }
        return found;
    }

    private long number(String text) {
        if (!text.matches("\\d{1,18}")) {
            throw bad();
        }
        return Long.parseLong(text);
    }

    IllegalArgumentException bad() {
        return new IllegalArgumentException("not understood: " + line.replaceAll("[^ -~]", "?"));
    }
}
