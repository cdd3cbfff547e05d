// SPDX-License-Identifier: Apache-2.0
package io.backstep.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;

import io.backstep.core.BackstepException;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ControlDirectoryTest {
    @TempDir
    private Path parent;
    private int uid;
    private ControlDirectory directory;

    @BeforeEach
    void choose() {
        uid = ControlDirectory.effectiveUid();
        directory = new ControlDirectory(parent.resolve("backstep"), uid);
    }

    @Test
    void shouldMakeADirectoryForItsUserOnly() throws IOException {
        directory.prepare();
        directory.prepare();

        assertEquals("rwx------", PosixFilePermissions.toString(Files.getPosixFilePermissions(directory.path())));
        assertTrue(directory.isTrusted());
    }

    @Test
    void shouldKnowTheUserThatFilesAreMadeAs() throws IOException {
        assertEquals(Files.getAttribute(parent, "unix:uid"), uid);
    }

    @Test
    void shouldRefuseAnotherUsersDirectory() {
        directory.prepare();

        ControlDirectory foreign = new ControlDirectory(directory.path(), uid + 1);

        expectRefusal(foreign, "it belongs to user " + uid + ", not " + (uid + 1));
    }

    @Test
    void shouldRefuseASymbolicLink() throws IOException {
        ControlDirectory real = new ControlDirectory(parent.resolve("real"), uid);
        real.prepare();
        Files.createSymbolicLink(directory.path(), real.path());

        expectRefusal(directory, "it is a symbolic link");
    }

    @Test
    void shouldRefuseAFile() throws IOException {
        Files.createFile(directory.path());

        expectRefusal(directory, "it is no directory");
    }

    @Test
    void shouldRefuseADirectoryThatIsOpenToOthers() throws IOException {
        directory.prepare();
        Files.setPosixFilePermissions(directory.path(), PosixFilePermissions.fromString("rwxrwx---"));

        expectRefusal(directory, "its mode is rwxrwx---, not rwx------");
    }

    @Test
    void shouldNotTrustWhatIsNotThere() {
        assertFalse(directory.isTrusted());
    }

    @Test
    void shouldSayWhyItCannotBeMade() {
        ControlDirectory nowhere = new ControlDirectory(parent.resolve("missing/backstep"), uid);

        expectRefusal(nowhere, "there is no " + parent.resolve("missing"));
    }

    @Test
    void shouldPreferTheRuntimeDirectory() {
        assertEquals(List.of(parent.resolve("backstep-7"), Path.of("/tmp/backstep-7")), paths(parent.toString()));
    }

    @Test
    void shouldFallBackToTheTemporaryDirectory() {
        assertEquals(List.of(Path.of("/tmp/backstep-7")), paths(null));
        assertEquals(List.of(Path.of("/tmp/backstep-7")), paths(""));
        assertEquals(List.of(Path.of("/tmp/backstep-7")), paths("relative"));
        assertEquals(List.of(Path.of("/tmp/backstep-7")), paths(parent.resolve("missing").toString()));
    }

    private static List<Path> paths(String runtimeDirectory) {
        return ControlDirectory.candidates(runtimeDirectory, 7).stream().map(ControlDirectory::path).toList();
    }

    private static void expectRefusal(ControlDirectory refused, String why) {
        BackstepException e = assertThrows(BackstepException.class, refused::prepare);
        assertEquals("cannot use " + refused.path() + " for control sockets: " + why, e.getMessage());
        assertFalse(refused.isTrusted());
    }
}
