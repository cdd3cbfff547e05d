// SPDX-License-Identifier: Apache-2.0
package io.backstep;

import java.nio.file.Path;
import java.util.function.Function;

import io.backstep.target.vm.VmDisk;

/** Disks as the face hands them to a machine, for benchmarks that look at the machine through a window of their own. */
public final class DiskServers {
    /** The disk at a socket, or null. */
    public static final Function<Path, VmDisk> SERVED = ServedDisk::at;

    private DiskServers() {
    }
}
