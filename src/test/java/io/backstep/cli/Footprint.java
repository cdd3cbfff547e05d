// SPDX-License-Identifier: Apache-2.0
package io.backstep.cli;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * What a process takes, as {@code /proc} tells it.
 *
 * @param dataKib private memory that holds no code: a guest's shared memory and translated code are no matter
 */
record Footprint(long dataKib, long descriptors, long mappings) {
    private static final Pattern MAPPING = Pattern.compile("[0-9a-f]+-[0-9a-f]+ (\\S+) .*");
    private static final Pattern ANONYMOUS = Pattern.compile("Anonymous: +(\\d+) kB");

    static Footprint of(int pid) {
        Path process = Path.of("/proc/" + pid);
        long kib = 0;
        long mappings = 0;
        boolean isCode = false;
        try (Stream<Path> descriptors = Files.list(process.resolve("fd"))) {
            for (String line : Files.readAllLines(process.resolve("smaps"))) {
                Matcher mapping = MAPPING.matcher(line);
                Matcher anonymous = ANONYMOUS.matcher(line);
                if (mapping.matches()) {
                    mappings++;
                    isCode = mapping.group(1).contains("x");
                } else if (anonymous.matches() && !isCode) {
                    kib += Long.parseLong(anonymous.group(1));
                }
            }
            return new Footprint(kib, descriptors.count(), mappings);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    @Override
    public String toString() {
        return dataKib + " KiB, " + descriptors + " descriptors, " + mappings + " mappings";
    }
}
