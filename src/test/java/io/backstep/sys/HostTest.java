// SPDX-License-Identifier: Apache-2.0
package io.backstep.sys;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

import io.backstep.sys.Facility.State;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class HostTest {
    @Test
    void shouldLookAtThisHostOnceWithTheNativeLibrary() {
        Host host = Host.current();

        assertSame(host, Host.current());
        assertEquals(State.OK, named(host, "native library").state(), named(host, "native library").detail());
        Set<String> names = new HashSet<>();
        for (Facility facility : host.withPrograms().facilities()) {
            assertTrue(names.add(facility.name()), facility.name() + " is there twice");
            assertFalse(facility.detail().isBlank() || facility.cost().isBlank() || facility.remedy().isBlank(),
                    facility.name());
        }
        assertTrue(names.containsAll(List.of("kernel", "PAGEMAP_SCAN", "memory", "QEMU", "CRIU")), names.toString());
    }

    @Test
    void shouldProtectWithoutWhatIsNotNeeded() {
        Host host = new Host(List.of(facility("a", State.OK, true), facility("b", State.LIMITED, true),
                facility("c", State.MISSING, false)));

        assertTrue(host.canProtect());
        assertEquals("this host can protect processes", host.verdict());
    }

    @Test
    void shouldNameWhatIsNeededAndMissing() {
        Facility a = facility("a", State.MISSING, true);
        Facility b = facility("b", State.MISSING, true);
        Facility c = facility("c", State.MISSING, true);

        assertEquals("this host cannot protect processes: a is missing", new Host(List.of(a)).verdict());
        assertEquals("this host cannot protect processes: a, b and c are missing",
                new Host(List.of(a, b, c)).verdict());
        assertEquals(List.of(a), new Host(List.of(a, facility("d", State.OK, true))).lacking());
    }

    @Test
    void shouldFindProgramsAsAShellDoes(@TempDir Path first, @TempDir Path second) throws IOException {
        Files.writeString(first.resolve("criu"), "not executable");
        Files.createDirectory(first.resolve("qemu-system-x86_64"));
        program(second.resolve("qemu-system-x86_64"), "echo 'QEMU emulator version 7.2.18 (Debian 1:7.2+dfsg-7)'");
        program(second.resolve("criu"), "echo 'Version: 4.1.1' >&2; exit 3");

        List<Facility> found = new HostPrograms(first + ":" + second).facilities();

        assertEquals("7.2.18 (" + second.resolve("qemu-system-x86_64") + ")", found.get(0).detail());
        assertEquals("4.1.1 (" + second.resolve("criu") + ")", found.get(1).detail());
    }

    @Test
    void shouldMissProgramsThatAreNowhere() {
        for (Facility facility : new HostPrograms(null).facilities()) {
            assertTrue(facility.isMissing(), facility.name());
            assertFalse(facility.needed(), facility.name());
        }
    }

    @ParameterizedTest
    @CsvSource({"'Version: 3.17.1', 3.17.1", "'a version', does not tell its version", "'', does not tell its version"})
    void shouldReadAVersion(String answer, String version) {
        assertEquals(version, HostPrograms.versionIn(answer));
    }

    private static void program(Path path, String script) throws IOException {
        Files.writeString(path, "#!/bin/sh\n" + script + "\n");
        Files.setPosixFilePermissions(path, PosixFilePermissions.fromString("rwxr-xr-x"));
    }

    private static Facility facility(String name, State state, boolean needed) {
        return new Facility(name, state, "detail", needed, "cost", "remedy");
    }

    private static Facility named(Host host, String name) {
        return host.facilities().stream().filter(facility -> facility.name().equals(name)).findFirst().orElseThrow();
    }
}
