// SPDX-License-Identifier: Apache-2.0
package io.backstep.target.process;

import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.Arrays;

import io.backstep.core.BackstepException;
import io.backstep.core.BackstepException.Reason;

/** Where a program is: as shells look for it, but a file without a known format is not handed to a shell. */
final class ProgramPath {
    private static final String PATH_DEFAULT = "/usr/local/bin:/usr/bin:/bin";

    private ProgramPath() {
    }

    /**
     * The file of a program: itself if it has a slash, else the first of that name in the directories of PATH that can be
     * executed.
     *
     * @param arguments its arguments as bytes, the first of which is its name
     * @throws BackstepException UNFIT: there is none
     */
    static byte[] find(String program, byte[] arguments, String path) {
        if (program.indexOf('/') >= 0) {
            return Arrays.copyOf(arguments, indexOfZero(arguments));
        }
        try {
            for (String directory : (path == null ? PATH_DEFAULT : path).split(":", -1)) {
                Path file = Path.of(directory.isEmpty() ? "." : directory, program);
                if (!program.isEmpty() && Files.isRegularFile(file) && Files.isExecutable(file)) {
                    return file.toString().getBytes(StandardCharsets.UTF_8);
                }
            }
        } catch (InvalidPathException e) {
            throw new BackstepException(Reason.UNFIT, "start '" + program + "': no name of a program", e);
        }
        throw new BackstepException(Reason.UNFIT, "start '" + program + "': no such program in PATH");
    }

    private static int indexOfZero(byte[] bytes) {
        int index = 0;
        while (bytes[index] != 0) {
            index++;
        }
        return index;
    }
}
