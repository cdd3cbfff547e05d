// SPDX-License-Identifier: Apache-2.0
package io.backstep.cli;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** How much memory this host can spare. */
final class Memory {
    private static final long UNKNOWN_DEFAULT = 1L << 30;

    private Memory() {
    }

    /** Half of what the kernel says is available, in bytes. */
    static long halfOfFree() {
        try {
            for (String line : Files.readAllLines(Path.of("/proc/meminfo"))) {
                if (line.startsWith("MemAvailable:")) {
                    String kib = line.substring("MemAvailable:".length()).replace("kB", "").trim();
                    return Long.parseLong(kib) * 1024 / 2;
                }
            }
        } catch (IOException e) {
            return UNKNOWN_DEFAULT;
        }
        return UNKNOWN_DEFAULT;
    }
}
