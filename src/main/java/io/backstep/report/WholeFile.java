// SPDX-License-Identifier: Apache-2.0
package io.backstep.report;

import io.backstep.core.BackstepException;
import io.backstep.core.BackstepException.Reason;
import java.io.BufferedWriter;
import java.io.IOException;
import java.io.OutputStreamWriter;
import java.io.Writer;
import java.nio.charset.StandardCharsets;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.OpenOption;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.concurrent.ThreadLocalRandom;

/**
 * A text file that is written whole or not at all: its content goes to a file beside it, which then takes its name.
 * What is no regular file (a terminal, a pipe) is written to directly.
 */
final class WholeFile {
    /** What is written. */
    interface Content {
        void writeTo(Writer writer) throws IOException;
    }

    private WholeFile() {
    }

    /**
     * Writes a file, or replaces it.
     *
     * @throws BackstepException FAILED: nothing was written, and a file that was there before is as it was.
     */
    static void write(Path path, Content content) {
        try {
            if (isStream(path)) {
                writeTo(path, content, StandardOpenOption.WRITE, StandardOpenOption.APPEND);
            } else {
                replace(replaced(path), content);
            }
        } catch (IOException e) {
            throw failed(path, e);
        }
    }

    /**
     * Makes sure that a file can be written, as far as can be told beforehand. Leaves nothing behind.
     *
     * @throws BackstepException FAILED: it cannot.
     */
    static void check(Path path) {
        try {
            if (Files.isDirectory(path)) {
                throw new FileSystemException(path.toString(), null, "Is a directory");
            }
            if (!isStream(path)) {
                Path beside = beside(replaced(path));
                Files.createFile(beside);
                Files.delete(beside);
            }
        } catch (IOException e) {
            throw failed(path, e);
        }
    }

    private static void replace(Path path, Content content) throws IOException {
        Path beside = beside(path);
        try {
            writeTo(beside, content, StandardOpenOption.WRITE, StandardOpenOption.CREATE_NEW);
            Files.move(beside, path, StandardCopyOption.ATOMIC_MOVE);
        } catch (IOException | RuntimeException e) {
            try {
                Files.deleteIfExists(beside);
            } catch (IOException suppressed) {
                e.addSuppressed(suppressed);
            }
            throw e;
        }
    }

    /** The file whose name is taken: behind a symbolic link, the one that it points to. */
    private static Path replaced(Path path) throws IOException {
        return Files.exists(path) ? path.toRealPath() : path.toAbsolutePath();
    }

    private static Path beside(Path path) {
        String random = Integer.toHexString(ThreadLocalRandom.current().nextInt());
        return path.resolveSibling("." + path.getFileName() + "." + random + ".tmp");
    }

    private static void writeTo(Path path, Content content, OpenOption... options) throws IOException {
        try (Writer writer = new BufferedWriter(
                new OutputStreamWriter(Files.newOutputStream(path, options), StandardCharsets.UTF_8))) {
            content.writeTo(writer);
        }
    }

    /** Also what stands behind a descriptor, /dev/stdout for one: the file there is not ours to replace. */
    private static boolean isStream(Path path) {
        Path absolute = path.toAbsolutePath();
        return Files.exists(path)
                && (!Files.isRegularFile(path) || absolute.startsWith("/dev") || absolute.startsWith("/proc"));
    }

    private static BackstepException failed(Path path, IOException e) {
        return new BackstepException(Reason.FAILED, "cannot write " + path + ": " + why(e), e);
    }

    private static String why(IOException e) {
        if (e instanceof NoSuchFileException) {
            return "there is no such directory";
        }
        if (e instanceof AccessDeniedException) {
            return "permission denied";
        }
        if (e instanceof FileSystemException named && named.getReason() != null) {
            return named.getReason();
        }
        return e.getMessage() == null ? e.toString() : e.getMessage();
    }
}
