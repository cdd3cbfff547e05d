// SPDX-License-Identifier: Apache-2.0
package io.backstep.sys;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;

import io.backstep.sys.Facility.State;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class HostKernelTest {
    private final HostWords words = new HostWords();

    @AfterEach
    void close() {
        words.close();
    }

    @Test
    void shouldFindNothingMissingWhenEveryWordIsZero() {
        assertTrue(facilities().stream().allMatch(facility -> facility.state() == State.OK), facilities().toString());
    }

    @ParameterizedTest
    @CsvSource({
        "userfaultfd, 0, MISSING",
        "asynchronous write-protect, 3, MISSING",
        "PAGEMAP_SCAN, 4, MISSING",
        "PROCMAP_QUERY, 5, LIMITED",
        "pidfd_getfd, 6, MISSING",
        "kcmp, 7, LIMITED",
        "ptrace of own children, 8, MISSING",
        "process_vm_readv, 9, MISSING",
        "real-time priority, 10, LIMITED"
    })
    void shouldTellWhatIsMissingByItsErrno(String name, int word, State state) {
        words.word(word, -38);

        Facility facility = facility(name);

        assertEquals(state, facility.state());
        assertTrue(facility.detail().contains("ENOSYS"), facility.detail());
        assertEquals(state == State.MISSING, facility.needed());
        assertFalse(facility.cost().isEmpty() || facility.remedy().isEmpty());
    }

    @Test
    void shouldNotBlameWhatCouldNotBeTried() {
        words.word(HostWords.UFFD_SYSCALL, -1);
        words.word(HostWords.UFFD_DEVICE, -13);
        words.word(HostWords.WP_ASYNC, -1);
        words.word(HostWords.PAGEMAP_SCAN, -1);

        assertEquals("system call: EPERM, vm.unprivileged_userfaultfd=0", facility("userfaultfd").detail());
        assertEquals("cannot be tried without userfaultfd", facility("asynchronous write-protect").detail());
        assertEquals("cannot be tried without asynchronous write-protect", facility("PAGEMAP_SCAN").detail());
    }

    @Test
    void shouldNotTakeTheDeviceForTheSystemCall() {
        words.word(HostWords.UFFD_SYSCALL, -1);

        assertEquals(State.MISSING, facility("userfaultfd").state());
        assertEquals("system call: EPERM; the device works, but will not do, vm.unprivileged_userfaultfd=0",
                facility("userfaultfd").detail());
        assertEquals(State.OK, facility("asynchronous write-protect").state());
    }

    @Test
    void shouldGoOnWithoutFastCopyingWhenOnlyPermissionIsMissing() {
        words.word(HostWords.PROCESS_VM, -1);

        assertEquals(State.LIMITED, facility("process_vm_readv").state());
    }

    @Test
    void shouldNameAnUnknownErrnoByItsNumber() {
        words.word(HostWords.PTRACE, -4242);

        assertEquals("errno 4242", facility("ptrace of own children").detail());
    }

    @Test
    void shouldKnowItsArchitecture() {
        assertEquals(State.OK, HostKernel.architecture("amd64").state());
        assertEquals(State.MISSING, HostKernel.architecture("aarch64").state());
    }

    private List<Facility> facilities() {
        return new HostKernel(words, "0").facilities();
    }

    private Facility facility(String name) {
        return facilities().stream().filter(facility -> facility.name().equals(name)).findFirst().orElseThrow();
    }
}
