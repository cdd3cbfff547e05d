// SPDX-License-Identifier: Apache-2.0
package io.backstep.bench.programs;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;

import io.backstep.bench.LibC;

/**
 * An agent for the virtual machine of {@code backstep run}: at its end it writes to the file that it is given what the
 * ended children, which are the protected program alone, used of the processors: user and system time in nanoseconds.
 */
public final class UsedByProgram {
    private UsedByProgram() {
    }

    public static void premain(String file) {
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            try {
                Files.writeString(Path.of(file), Long.toString(LibC.Used.byEndedChildren().processorNs()));
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }));
    }
}
