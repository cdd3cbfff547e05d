// SPDX-License-Identifier: Apache-2.0
package io.backstep.sys;

/** {@code struct bs_host}: the words in their order. A facility's word is 0 when it works, else a negative errno. */
final class HostWords extends NativeWords {
    static final int STRUCT = 0;

    static final int UFFD_SYSCALL = 0;
    static final int UFFD_DEVICE = UFFD_SYSCALL + 1;
    static final int UFFD_FEATURES = UFFD_DEVICE + 1;
    static final int WP_ASYNC = UFFD_FEATURES + 1;
    static final int PAGEMAP_SCAN = WP_ASYNC + 1;
    static final int PROCMAP_QUERY = PAGEMAP_SCAN + 1;
    static final int PIDFD_GETFD = PROCMAP_QUERY + 1;
    static final int KCMP = PIDFD_GETFD + 1;
    static final int PTRACE = KCMP + 1;
    static final int PROCESS_VM = PTRACE + 1;
    static final int REAL_TIME = PROCESS_VM + 1;
    private static final int WORDS = REAL_TIME + 1;

    HostWords() {
        super(WORDS);
    }
}
