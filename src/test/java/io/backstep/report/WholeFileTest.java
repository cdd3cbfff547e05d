// SPDX-License-Identifier: Apache-2.0
package io.backstep.report;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeFalse;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.backstep.core.BackstepException;
import java.io.IOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class WholeFileTest {
    private static final WholeFile.Content NEW = writer -> writer.write("new");
    private static final WholeFile.Content TOO_MUCH = writer -> {
        writer.write("x".repeat(100_000));
        throw new IOException("No space left on device");
    };

    @TempDir
    private Path directory;

    @AfterEach
    void shouldLeaveNothingBeside() throws IOException {
        try (Stream<Path> files = Files.list(directory)) {
            assertEquals(List.of(), files.filter(file -> file.toString().endsWith(".tmp")).toList());
        }
    }

    @Test
    void shouldReplaceAFile() throws IOException {
        Path file = Files.writeString(directory.resolve("file"), "old and longer");

        WholeFile.write(file, NEW);

        assertEquals("new", Files.readString(file));
    }

    @Test
    void shouldGiveAFileTheUsualPermissions() throws IOException {
        Path usual = Files.createFile(directory.resolve("usual"));
        Path file = directory.resolve("file");

        WholeFile.write(file, NEW);

        assertEquals(Files.getPosixFilePermissions(usual), Files.getPosixFilePermissions(file));
    }

    @Test
    void shouldWriteToWhereASymbolicLinkPoints() throws IOException {
        Path file = Files.writeString(directory.resolve("file"), "old");
        Path link = Files.createSymbolicLink(directory.resolve("link"), file);

        WholeFile.write(link, NEW);

        assertTrue(Files.isSymbolicLink(link));
        assertEquals("new", Files.readString(file));
    }

    @Test
    void shouldLeaveNoFileWhenTheDiskIsFull() {
        Path file = directory.resolve("file");

        BackstepException e = assertThrows(BackstepException.class, () -> WholeFile.write(file, TOO_MUCH));

        assertEquals(BackstepException.Reason.FAILED, e.reason());
        assertEquals("cannot write " + file + ": No space left on device", e.getMessage());
        assertFalse(Files.exists(file));
    }

    @Test
    void shouldLeaveAnOldFileAsItWasWhenTheDiskIsFull() throws IOException {
        Path file = Files.writeString(directory.resolve("file"), "old");

        assertThrows(BackstepException.class, () -> WholeFile.write(file, TOO_MUCH));

        assertEquals("old", Files.readString(file));
    }

    @Test
    void shouldLeaveNoFileWhenItsContentCannotBeMade() {
        Path file = directory.resolve("file");

        assertThrows(IllegalStateException.class, () -> WholeFile.write(file, writer -> {
            throw new IllegalStateException("on purpose");
        }));

        assertFalse(Files.exists(file));
    }

    @Test
    void shouldSayThatADirectoryIsMissing() {
        assertFailure(directory.resolve("missing/file"), "there is no such directory");
    }

    @Test
    void shouldSayThatAFileStandsWhereADirectoryShould() throws IOException {
        Files.writeString(directory.resolve("file"), "old");

        assertFailure(directory.resolve("file/below"), "Not a directory");
    }

    @Test
    void shouldSayThatTheNameIsADirectorys() {
        assertFailure(directory, "Is a directory");
    }

    @Test
    void shouldSayThatADirectoryCannotBeWrittenTo() throws IOException {
        Path locked = Files.createDirectory(directory.resolve("locked"));
        Files.setPosixFilePermissions(locked, PosixFilePermissions.fromString("r-xr-xr-x"));
        assumeFalse(Files.isWritable(locked), "this user may write everywhere");

        assertFailure(locked.resolve("file"), "permission denied");
    }

    @Test
    void shouldSayThatPermissionIsDenied() {
        Path file = directory.resolve("file");

        BackstepException e = assertThrows(BackstepException.class, () -> WholeFile.write(file, writer -> {
            throw new AccessDeniedException(file.toString());
        }));

        assertEquals("cannot write " + file + ": permission denied", e.getMessage());
    }

    @Test
    void shouldWriteDirectlyToADevice() {
        Path device = Path.of("/dev/null");
        assumeTrue(Files.exists(device), "no /dev/null");

        WholeFile.check(device);
        WholeFile.write(device, NEW);

        assertFalse(Files.isRegularFile(device));
    }

    @Test
    void shouldSayThatADeviceIsFull() {
        Path device = Path.of("/dev/full");
        assumeTrue(Files.exists(device), "no /dev/full");

        BackstepException e = assertThrows(BackstepException.class, () -> WholeFile.write(device, NEW));

        assertEquals("cannot write /dev/full: No space left on device", e.getMessage());
    }

    @Test
    void shouldLeaveNothingWhenItOnlyChecks() throws IOException {
        Path old = Files.writeString(directory.resolve("old"), "old");

        WholeFile.check(old);
        WholeFile.check(directory.resolve("new"));

        assertEquals("old", Files.readString(old));
        assertFalse(Files.exists(directory.resolve("new")));
    }

    private static void assertFailure(Path file, String why) {
        String message = "cannot write " + file + ": " + why;
        assertEquals(message, assertThrows(BackstepException.class, () -> WholeFile.write(file, NEW)).getMessage());
        assertEquals(message, assertThrows(BackstepException.class, () -> WholeFile.check(file)).getMessage());
    }
}
