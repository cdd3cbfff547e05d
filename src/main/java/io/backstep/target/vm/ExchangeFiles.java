// SPDX-License-Identifier: Apache-2.0
package io.backstep.target.vm;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermissions;

import io.backstep.core.BackstepException;
import io.backstep.core.BackstepException.Reason;

/** A directory in memory through which QEMU hands us the state of devices and gets it back; it is the user's of QEMU. */
final class ExchangeFiles implements AutoCloseable {
    private final Path directory;
    private final Path saved;
    private final Path image;
    private final FileChannel savedChannel;

    private ExchangeFiles(Path directory, Path saved, Path image, FileChannel savedChannel) {
        this.directory = directory;
        this.saved = saved;
        this.image = image;
        this.savedChannel = savedChannel;
    }

    /**
     * Makes the directory.
     *
     * @param parent in memory, and the same for us and for QEMU
     * @throws BackstepException UNFIT: it cannot be made, or not given to that user
     */
    static ExchangeFiles open(Path parent, int pid) {
        try {
            Path directory = Files.createTempDirectory(parent, "backstep-vm-",
                    PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------")));
            Path saved = directory.resolve("devices");
            Path image = directory.resolve("devices.qcow2");
            FileChannel channel = FileChannel.open(saved, StandardOpenOption.CREATE_NEW, StandardOpenOption.READ,
                    StandardOpenOption.WRITE);
            Files.createFile(image);
            Path process = Path.of("/proc", Integer.toString(pid));
            for (Path path : new Path[] {saved, image, directory}) {
                if (!Files.getOwner(path).equals(Files.getOwner(process))) {
                    Files.setOwner(path, Files.getOwner(process));
                }
            }
            return new ExchangeFiles(directory, saved, image, channel);
        } catch (IOException e) {
            throw new BackstepException(Reason.UNFIT, "cannot make a directory for QEMU's state of devices in " + parent
                    + ": " + e, e);
        }
    }

    Path directory() {
        return directory;
    }

    /** Where QEMU writes the state of devices. */
    Path saved() {
        return saved;
    }

    /** The same file, from its beginning. */
    FileChannel savedChannel() {
        return savedChannel;
    }

    /** Where QEMU reads the state from. */
    Path image() {
        return image;
    }

    /** A place for a socket of QEMU's. */
    Path debugger() {
        return directory.resolve("debugger");
    }

    @Override
    public void close() {
        try {
            savedChannel.close();
            Files.deleteIfExists(debugger());
            Files.deleteIfExists(saved);
            Files.deleteIfExists(image);
            Files.deleteIfExists(directory);
        } catch (IOException e) {
            throw new BackstepException(Reason.FAILED, "cannot remove " + directory + ": " + e, e);
        }
    }
}
