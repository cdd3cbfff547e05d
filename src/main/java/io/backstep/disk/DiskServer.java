// SPDX-License-Identifier: Apache-2.0
package io.backstep.disk;

import java.io.IOException;
import java.nio.channels.SocketChannel;
import java.nio.file.Path;
import java.util.function.Consumer;

import io.backstep.core.BackstepException;
import io.backstep.core.BackstepException.Reason;
import org.agrona.CloseHelper;

/** Serves an image at a socket, and its control channel at another one beside it. Thread-safe. */
public final class DiskServer implements AutoCloseable {
    /** What the control channel's path ends in, after that of the disk. */
    static final String CONTROL_SUFFIX = ".ctl";

    private final Disk disk;
    private final Flusher flusher;
    private final Messages messages;
    private ListeningSocket control;
    private ListeningSocket guests;

    private DiskServer(Disk disk, Messages messages) {
        this.disk = disk;
        this.messages = messages;
        flusher = new Flusher(disk);
    }

    /**
     * Opens an image, completes a rollback that was cut short, and begins to serve. The sockets are there when this
     * returns.
     *
     * @param budgetBytes the most memory that marks may take
     * @param warnings    gets what is worth telling, a line each, from any thread
     * @throws BackstepException the image cannot be served; nothing was changed
     */
    public static DiskServer open(Path imagePath, ImageFormat format, boolean readOnly, long budgetBytes, Path socket,
            Consumer<String> warnings) {
        Messages messages = new Messages(warnings);
        Image image = format.open(imagePath, readOnly);
        DiskServer server;
        try {
            RollbackJournal journal = new RollbackJournal(imagePath.toRealPath(), image.sizeBytes(), Disk.newScratch());
            if (readOnly) {
                journal.requireNone();
            } else if (journal.recover(image)) {
                warnings.accept("a rollback of " + imagePath + " that was cut short was completed");
            }
            server = new DiskServer(new Disk(image, readOnly ? null : journal, budgetBytes, warnings), messages);
        } catch (IOException e) {
            CloseHelper.quietClose(image::close);
            throw new BackstepException(Reason.FAILED, "cannot serve " + imagePath + ": " + e.getMessage(), e);
        } catch (RuntimeException e) {
            CloseHelper.quietClose(image::close);
            throw e;
        }
        try {
            server.listen(socket);
            return server;
        } catch (RuntimeException e) {
            CloseHelper.quietClose(server::close);
            throw e;
        }
    }

    private void listen(Path socket) {
        ControlChannel channel = new ControlChannel(disk, flusher, messages);
        control = ListeningSocket.open(socket.resolveSibling(socket.getFileName() + CONTROL_SUFFIX), channel::serve);
        guests = ListeningSocket.open(socket, this::serveGuest);
    }

    private void serveGuest(SocketChannel channel) {
        try {
            new NbdConnection(channel, disk, flusher, messages).serve();
        } catch (IOException e) {
            messages.tell("a client was lost: " + e.getMessage());
        }
    }

    public long sizeBytes() {
        return disk.sizeBytes();
    }

    /** Ends all connections, and returns when all that was written is on stable storage. */
    @Override
    public void close() throws IOException {
        CloseHelper.quietCloseAll(guests, control, flusher);
        disk.close();
    }
}
