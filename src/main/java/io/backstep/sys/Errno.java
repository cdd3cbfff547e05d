// SPDX-License-Identifier: Apache-2.0
package io.backstep.sys;

import java.util.Map;

/** The numbers by which Linux says why a call failed, negative as the native library has them. */
final class Errno {
    static final long EPERM = -1;

    private static final Map<Integer, String> NAMES = Map.ofEntries(
            Map.entry(1, "EPERM"), Map.entry(2, "ENOENT"), Map.entry(3, "ESRCH"), Map.entry(4, "EINTR"),
            Map.entry(5, "EIO"), Map.entry(6, "ENXIO"), Map.entry(9, "EBADF"), Map.entry(10, "ECHILD"),
            Map.entry(11, "EAGAIN"), Map.entry(12, "ENOMEM"), Map.entry(13, "EACCES"), Map.entry(14, "EFAULT"),
            Map.entry(16, "EBUSY"), Map.entry(17, "EEXIST"), Map.entry(19, "ENODEV"), Map.entry(22, "EINVAL"),
            Map.entry(23, "ENFILE"), Map.entry(24, "EMFILE"), Map.entry(25, "ENOTTY"), Map.entry(38, "ENOSYS"),
            Map.entry(95, "EOPNOTSUPP"));

    private Errno() {
    }

    static String name(long negative) {
        int number = (int) -negative;
        String name = NAMES.get(number);
        return name == null ? "errno " + number : name;
    }
}
