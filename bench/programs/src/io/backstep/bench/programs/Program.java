// SPDX-License-Identifier: Apache-2.0
package io.backstep.bench.programs;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.regex.Pattern;

/**
 * A real program with its input, a line of {@code bench/programs/list}.
 *
 * @param counterpart its name in SPEC CINT 2006
 * @param input       file for its standard input in the directory where it runs, or null
 * @param notCompared lines of its output that tell times, or null
 */
record Program(String name, String counterpart, String input, Pattern notCompared, List<String> command) {
    private static final int COLUMNS = 5;

    static List<Program> all(Path list) throws IOException {
        return Files.readAllLines(list).stream().filter(line -> !line.startsWith("#")).map(Program::of).toList();
    }

    private static Program of(String line) {
        String[] columns = line.split(" +", COLUMNS);
        String notCompared = orNull(columns[3]);
        return new Program(columns[0], columns[1], orNull(columns[2]),
                notCompared == null ? null : Pattern.compile(notCompared), List.of(columns[4].split(" +")));
    }

    private static String orNull(String column) {
        return "-".equals(column) ? null : column;
    }
}
