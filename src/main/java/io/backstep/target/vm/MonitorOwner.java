// SPDX-License-Identifier: Apache-2.0
package io.backstep.target.vm;

import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;

import io.backstep.core.BackstepException;
import io.backstep.core.BackstepException.Reason;

/** Who listens at a Unix socket. */
final class MonitorOwner {
    private static final int PATH_FIELD = 7;
    private static final int INODE_FIELD = 6;

    private MonitorOwner() {
    }

    /**
     * The process that listens there.
     *
     * @throws BackstepException UNFIT: it cannot be found
     */
    static int pidOf(Path socket) {
        try {
            String inode = inodeOf(socket.toAbsolutePath().normalize().toString(), socket.toString());
            Integer pid = inode == null ? null : holderOf("socket:[" + inode + "]");
            if (pid != null) {
                return pid;
            }
        } catch (IOException e) {
            throw new BackstepException(Reason.UNFIT, "cannot find out who listens at " + socket + ": " + e, e);
        }
        throw new BackstepException(Reason.UNFIT, "cannot find out which process listens at " + socket
                + " (it may be another user's, or in another namespace): name it by --pid");
    }

    private static String inodeOf(String... paths) throws IOException {
        for (String line : Files.readAllLines(Path.of("/proc/net/unix"))) {
            String[] fields = line.trim().split("\\s+", PATH_FIELD + 1);
            boolean listens = fields.length > PATH_FIELD && !fields[0].equals("Num") && (Integer.parseUnsignedInt(fields[3], 16) & 0x10000) != 0;
            for (String path : paths) {
                if (listens && fields[PATH_FIELD].equals(path)) {
                    return fields[INODE_FIELD];
                }
            }
        }
        return null;
    }

    private static Integer holderOf(String link) throws IOException {
        try (DirectoryStream<Path> processes = Files.newDirectoryStream(Path.of("/proc"), "[0-9]*")) {
            for (Path process : processes) {
                if (holds(process.resolve("fd"), link)) {
                    return Integer.valueOf(process.getFileName().toString());
                }
            }
        }
        return null;
    }

    private static boolean holds(Path descriptors, String link) {
        try (DirectoryStream<Path> links = Files.newDirectoryStream(descriptors)) {
            for (Path descriptor : links) {
                if (Files.readSymbolicLink(descriptor).toString().equals(link)) {
                    return true;
                }
            }
        } catch (IOException e) {
            return false; // it has ended, or is another user's
        }
        return false;
    }
}
