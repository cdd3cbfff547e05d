// SPDX-License-Identifier: Apache-2.0
package io.backstep.cli;

import java.io.IOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFileAttributes;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import java.util.Set;

import io.backstep.core.BackstepException;
import io.backstep.core.BackstepException.Reason;

/**
 * The directory in which one user's control sockets lie. Only that user may look into it: who reaches a socket controls
 * a target. So a directory that is a link, another user's or open to others is neither used nor mended.
 */
final class ControlDirectory {
    private static final Set<PosixFilePermission> MODE = PosixFilePermissions.fromString("rwx------");

    private final Path path;
    private final int uid;

    /** @param uid whose it must be */
    ControlDirectory(Path path, int uid) {
        this.path = path;
        this.uid = uid;
    }

    /**
     * Where this user's sockets may lie, the preferred place first. A server uses that; a client looks at all, since a
     * login as another user may or may not bring XDG_RUNTIME_DIR along.
     */
    static List<ControlDirectory> candidates() {
        return candidates(System.getenv("XDG_RUNTIME_DIR"), effectiveUid());
    }

    static List<ControlDirectory> candidates(String runtimeDirectory, int uid) {
        String name = "backstep-" + uid;
        ControlDirectory fallback = new ControlDirectory(Path.of("/tmp", name), uid);
        boolean isAbsolute = runtimeDirectory != null && runtimeDirectory.startsWith("/");
        if (!isAbsolute || !Files.isDirectory(Path.of(runtimeDirectory))) {
            return List.of(fallback);
        }
        return List.of(new ControlDirectory(Path.of(runtimeDirectory, name), uid), fallback);
    }

    /** The user that this process acts as. */
    static int effectiveUid() {
        try {
            for (String line : Files.readAllLines(Path.of("/proc/self/status"))) {
                if (line.startsWith("Uid:\t")) {
                    return Integer.parseUnsignedInt(line.split("\t")[2]);
                }
            }
        } catch (IOException e) {
            throw new BackstepException(Reason.FAILED, "cannot read /proc/self/status: " + e.getMessage(), e);
        }
        throw new BackstepException(Reason.FAILED, "/proc/self/status does not name the user");
    }

    Path path() {
        return path;
    }

    /** Where the socket for a target is or would be. */
    Path socketOf(int pid) {
        return path.resolve(pid + ".sock");
    }

    /**
     * Makes the directory, if it is not there.
     *
     * @throws BackstepException it is there and not to be trusted, or it cannot be made
     */
    void prepare() {
        try {
            try {
                Files.createDirectory(path, PosixFilePermissions.asFileAttribute(MODE));
            } catch (FileAlreadyExistsException e) {
                check();
            }
        } catch (NoSuchFileException e) {
            throw refused("there is no " + path.getParent());
        } catch (AccessDeniedException e) {
            throw refused("permission denied");
        } catch (IOException e) {
            throw refused(e.getMessage());
        }
    }

    /** Is it there, and as it must be? */
    boolean isTrusted() {
        try {
            check();
            return true;
        } catch (IOException | BackstepException e) {
            return false;
        }
    }

    private void check() throws IOException {
        PosixFileAttributes found = Files.readAttributes(path, PosixFileAttributes.class, LinkOption.NOFOLLOW_LINKS);
        int owner = (Integer) Files.getAttribute(path, "unix:uid", LinkOption.NOFOLLOW_LINKS);
        if (!found.isDirectory()) {
            throw refused(found.isSymbolicLink() ? "it is a symbolic link" : "it is no directory");
        }
        if (owner != uid) {
            throw refused("it belongs to user " + Integer.toUnsignedString(owner) + ", not "
                    + Integer.toUnsignedString(uid));
        }
        if (!found.permissions().equals(MODE)) {
            throw refused("its mode is " + PosixFilePermissions.toString(found.permissions()) + ", not "
                    + PosixFilePermissions.toString(MODE));
        }
    }

    private BackstepException refused(String why) {
        return new BackstepException(Reason.FAILED, "cannot use " + path + " for control sockets: " + why);
    }
}
