// SPDX-License-Identifier: Apache-2.0
package io.backstep.target.vm;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.Function;

import io.backstep.core.BackstepException;
import io.backstep.core.BackstepException.Reason;

/**
 * What a machine has besides memory, processors and devices.
 *
 * @param disks those that can be taken back
 * @param notRestored one sentence for each thing that a rollback leaves as it is
 */
record Inventory(List<VmDisk> disks, List<String> notRestored) {
    private static final String SOCKET = "?socket=";

    /**
     * Looks at the machine.
     *
     * @param servers gives the disk that is served at a socket, or null
     * @throws BackstepException UNFIT: it has a disk that can be written and cannot be taken back, which is not accepted
     */
    static Inventory of(
            Monitor monitor, GuestLayout layout, Function<Path, VmDisk> servers, boolean acceptsUnservedDisks) {
        List<VmDisk> disks = new ArrayList<>();
        List<String> sentences = new ArrayList<>();
        try {
            for (Object device : (List<?>) monitor.execute("query-block")) {
                Map<?, ?> facts = (Map<?, ?>) device;
                if (facts.get("inserted") instanceof Map<?, ?> medium && !Boolean.TRUE.equals(medium.get("ro"))) {
                    addDisk(facts, String.valueOf(medium.get("file")), servers, acceptsUnservedDisks, disks, sentences);
                }
            }
        } catch (BackstepException e) {
            disks.forEach(VmDisk::close);
            throw e;
        }
        for (String block : layout.unplaced()) {
            if (!isFirmware(block)) {
                sentences.add("memory " + block + ": no processor sees it, so nobody tells where it is");
            }
        }
        return new Inventory(disks, sentences);
    }

    private static void addDisk(Map<?, ?> device, String file, Function<Path, VmDisk> servers, boolean acceptsUnserved,
            List<VmDisk> disks, List<String> sentences) {
        int at = file.indexOf(SOCKET);
        VmDisk disk = at < 0 ? null : servers.apply(Path.of(file.substring(at + SOCKET.length())));
        String name = "disk " + nameOf(device) + " (" + file + ")";
        if (disk != null) {
            disks.add(disk);
        } else if (acceptsUnserved) {
            sentences.add(name + ": what the guest writes there stays, since 'backstep disk' does not serve it");
        } else {
            throw new BackstepException(Reason.UNFIT, name + " is not served by 'backstep disk', so a rollback would "
                    + "leave it as it is and the guest's file system would break; accept that by --unserved-disks warn");
        }
    }

    /** It is constant, and each reset writes it anew. */
    private static boolean isFirmware(String block) {
        return block.startsWith("/rom@") || block.endsWith(".rom") || block.endsWith(".bios");
    }

    private static String nameOf(Map<?, ?> device) {
        Object name = device.get("device");
        return name == null || name.toString().isEmpty() ? String.valueOf(device.get("qdev")) : name.toString();
    }
}
