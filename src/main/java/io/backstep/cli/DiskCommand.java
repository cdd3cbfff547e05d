// SPDX-License-Identifier: Apache-2.0
package io.backstep.cli;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;

import io.backstep.core.BackstepException;
import io.backstep.disk.DiskServer;
import io.backstep.disk.ImageFormat;
import io.backstep.sys.Signals;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code backstep disk}: serves a guest's disk, whose recent writes can be taken back. */
@Command(
        name = "disk",
        description = "Serves a disk image over NBD at a Unix socket. What the guest writes goes to the image; what "
                + "that replaces is kept in memory, so that a rollback of the guest takes its disk back, too.",
        mixinStandardHelpOptions = true, sortOptions = false,
        footer = {"",
                "It serves until it gets SIGTERM, SIGINT or SIGHUP; the exit status is 0 then, "
                        + ExitStatus.CANNOT_START + " if the image cannot be served, " + ExitStatus.FAILED
                        + " for another failure, " + ExitStatus.USAGE + " for bad usage."})
final class DiskCommand implements Callable<Integer> {
    private static final List<Integer> ENDING =
            List.of(Signals.number("TERM"), Signals.number("INT"), Signals.number("HUP"));

    @Spec
    private CommandSpec spec;

    @Option(names = "--socket", paramLabel = "PATH", required = true,
            description = "Where to serve the disk. Marks are set at PATH.ctl.")
    private Path socket;

    @Option(names = "--format", paramLabel = "raw|qcow2|auto", defaultValue = "auto",
            converter = OptionValues.Format.class,
            description =
                    "How the image holds the disk's content. auto recognises qcow2; that an image is raw must be said, "
                    + "since nothing in it tells it (default: ${DEFAULT-VALUE}).")
    private ImageFormat format;

    @Option(names = "--read-only", description = "Let nobody write; no marks then.")
    private boolean readOnly;

    @Option(names = "--memory-budget", paramLabel = "SIZE", converter = OptionValues.Bytes.class,
            description =
                    "The most memory that replaced content may take. When it is used up the oldest marks go "
                    + "(default: half of the memory that is free at the start).")
    private Long memoryBudget;

    @Parameters(paramLabel = "IMAGE", description = "The disk's image.")
    private Path image;

    @Override
    public Integer call() {
        if (socket.getFileName() == null) {
            throw new IllegalArgumentException("--socket must name a socket, not " + socket);
        }
        if (memoryBudget != null && memoryBudget <= 0) {
            throw new IllegalArgumentException("the memory budget must be more than 0 bytes, not " + memoryBudget);
        }
        CountDownLatch end = new CountDownLatch(1);
        try (Signals.Receiving signals = Signals.receive(ENDING, number -> end.countDown());
                DiskServer server = DiskServer.open(image, format, readOnly,
                        memoryBudget == null ? Memory.halfOfFree() : memoryBudget, socket, DiskCommand::say)) {
            say("serving " + image + ", " + server.sizeBytes() + " bytes, at " + socket);
            end.await();
            return 0;
        } catch (BackstepException e) {
            say(e.getMessage());
            return e.reason() == BackstepException.Reason.UNFIT ? ExitStatus.CANNOT_START : ExitStatus.FAILED;
        } catch (IOException e) {
            say("what was written may not be on stable storage: " + e.getMessage());
            return ExitStatus.FAILED;
        } catch (InterruptedException e) {
            return ExitStatus.FAILED; // nobody interrupts it
        }
    }

    private static void say(String line) {
        System.err.println("backstep: " + line.replace('\n', ' '));
    }
}
