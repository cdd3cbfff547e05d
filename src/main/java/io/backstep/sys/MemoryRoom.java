// SPDX-License-Identifier: Apache-2.0
package io.backstep.sys;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;

/** How much memory this host has and lets this process use, in KiB, at the moment of construction. */
final class MemoryRoom {
    private static final long SCARCE_KIB = 256 * 1024;
    private static final long KIB_PER_MIB = 1024;
    private static final long KIB_PER_GIB = 1024 * 1024;

    private final long totalKib;
    private final long availableKib;
    private long limitKib = Long.MAX_VALUE;
    private long usedKib;

    /** @param root the directory that has proc and sys in it */
    MemoryRoom(Path root) {
        String meminfo = HostFiles.read(root.resolve("proc/meminfo"));
        totalKib = HostFiles.numberAt(HostFiles.field(meminfo, "MemTotal:"), 0);
        availableKib = HostFiles.numberAt(HostFiles.field(meminfo, "MemAvailable:"), 0);
        for (String line : HostFiles.read(root.resolve("proc/self/cgroup")).split("\n")) {
            readGroup(root.resolve("sys/fs/cgroup"), line);
        }
    }

    /** One line of /proc/self/cgroup: a hierarchy's number, its controllers, and the path of our group in it. */
    private void readGroup(Path mount, String line) {
        int first = line.indexOf(':');
        int second = line.indexOf(':', first + 1);
        if (first < 0 || second < 0) {
            return;
        }
        String path = line.substring(second + 1);
        String controllers = line.substring(first + 1, second);
        if (controllers.isEmpty()) {
            readLimits(mount, path, "memory.max", "memory.current", "inactive_file");
        } else if (List.of(controllers.split(",")).contains("memory")) {
            readLimits(mount.resolve("memory"), path,
                    "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file");
        }
    }

    /** The tightest limit from our group up. In a container its path may not be there: the top is. */
    private void readLimits(Path mount, String path, String limitName, String usedName, String cacheName) {
        Path group = mount.resolve(path.startsWith("/") ? path.substring(1) : path).normalize();
        while (group.startsWith(mount)) {
            String limit = HostFiles.read(group.resolve(limitName)).trim();
            boolean isLimited = !limit.isEmpty() && Character.isDigit(limit.charAt(0));
            long kib = HostFiles.numberAt(limit, 0) / 1024;
            if (isLimited && kib < Math.min(limitKib, totalKib) && Files.exists(group.resolve(usedName))) {
                limitKib = kib;
                long used = HostFiles.numberAt(HostFiles.read(group.resolve(usedName)), 0);
                String cache = HostFiles.field(HostFiles.read(group.resolve("memory.stat")), cacheName + " ");
                // The kernel takes file cache back at need.
                usedKib = Math.max(0, used - HostFiles.numberAt(cache, 0)) / 1024;
            }
            group = group.getParent();
        }
    }

    boolean isScarce() {
        return totalKib > 0 && Math.min(availableKib, limitKib - usedKib) < SCARCE_KIB;
    }

    static String text(long kib) {
        if (kib >= KIB_PER_GIB) {
            return String.format(Locale.ROOT, "%.1f GiB", (double) kib / KIB_PER_GIB);
        }
        return kib >= KIB_PER_MIB ? kib / KIB_PER_MIB + " MiB" : kib + " KiB";
    }

    @Override
    public String toString() {
        if (totalKib == 0) {
            return "unknown";
        }
        String host = text(availableKib) + " of " + text(totalKib) + " available";
        if (limitKib == Long.MAX_VALUE) {
            return host;
        }
        return host + ", " + text(usedKib) + " of the control group's " + text(limitKib) + " used";
    }
}
