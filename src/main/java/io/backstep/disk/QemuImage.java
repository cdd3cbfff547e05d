// SPDX-License-Identifier: Apache-2.0
package io.backstep.disk;

import java.io.IOException;
import java.lang.ProcessBuilder.Redirect;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;

import org.agrona.CloseHelper;

/**
 * An image in a format that QEMU knows, by way of a {@code qemu-nbd} of our own at a socket that nobody else sees. That
 * ends when our connections end, however this process does. Flushes have a connection of their own, so that nothing
 * waits for them.
 */
final class QemuImage implements Image {
    private static final String PROGRAM = "qemu-nbd";
    private static final long START_LIMIT_NS = 20_000_000_000L;
    private static final long LOOK_EVERY_NS = 5_000_000;
    private static final int REFUSAL_LIMIT_S = 5;
    private static final int END_LIMIT_S = 60;
    private static final int TOLD_BYTES = 4096;

    private final Process process;
    private final NbdClient data;
    private final NbdClient flushes;

    private QemuImage(Process process, NbdClient data, NbdClient flushes) {
        this.process = process;
        this.data = data;
        this.flushes = flushes;
    }

    /** @throws io.backstep.core.BackstepException it cannot be served by qemu-nbd, which says why */
    static QemuImage open(Path path, String format, boolean readOnly) {
        Path directory = null;
        try {
            directory = Files.createTempDirectory("backstep-disk-");
            return start(path, format, readOnly, directory);
        } catch (IOException e) {
            throw RawImage.unfit(path, e.getMessage());
        } finally {
            delete(directory);
        }
    }

    private static QemuImage start(Path path, String format, boolean readOnly, Path directory) throws IOException {
        Path socket = directory.resolve("nbd");
        Path told = directory.resolve("told");
        List<String> command = new ArrayList<>(List.of(PROGRAM, "--socket=" + socket, "--shared=2",
                "--cache=writeback", "--discard=unmap", "--image-opts"));
        if (readOnly) {
            command.add("--read-only");
        }
        command.add("driver=" + format + ",file.driver=file,file.filename="
                + path.toAbsolutePath().toString().replace(",", ",,"));
        Process process = new ProcessBuilder(command).redirectInput(Redirect.from(Path.of("/dev/null").toFile()))
                .redirectOutput(Redirect.DISCARD).redirectError(told.toFile()).start();
        NbdClient data = null;
        NbdClient flushes = null;
        try {
            data = new NbdClient(connect(process, socket, told));
            flushes = new NbdClient(SocketChannel.open(UnixDomainSocketAddress.of(socket)));
            return new QemuImage(process, data, flushes);
        } catch (IOException e) {
            CloseHelper.quietCloseAll(flushes, data);
            throw hasEnded(process) ? new IOException(lastLine(told), e) : e;
        }
    }

    /** It listens before it opens the image: who connects in between finds out that way that it cannot. */
    private static boolean hasEnded(Process process) {
        try {
            return process.waitFor(REFUSAL_LIMIT_S, TimeUnit.SECONDS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return false;
        } finally {
            process.destroyForcibly();
        }
    }

    private static SocketChannel connect(Process process, Path socket, Path told) throws IOException {
        long deadlineNs = System.nanoTime() + START_LIMIT_NS;
        while (true) {
            try {
                return SocketChannel.open(UnixDomainSocketAddress.of(socket));
            } catch (IOException e) {
                if (!process.isAlive()) {
                    throw new IOException(lastLine(told), e);
                }
                if (System.nanoTime() - deadlineNs > 0) {
                    throw new IOException(PROGRAM + " does not begin to serve it", e);
                }
                LockSupport.parkNanos(LOOK_EVERY_NS);
            }
        }
    }

    private static String lastLine(Path told) throws IOException {
        byte[] bytes = Files.readAllBytes(told);
        String[] lines = new String(bytes, 0, Math.min(bytes.length, TOLD_BYTES)).trim().split("\n");
        String last = lines[lines.length - 1].trim();
        return last.isEmpty() ? PROGRAM + " has ended" : last;
    }

    private static void delete(Path directory) {
        if (directory != null) {
            for (Path path : List.of(directory.resolve("nbd"), directory.resolve("told"), directory)) {
                try {
                    Files.deleteIfExists(path);
                } catch (IOException e) {
                    // what is left in the directory for temporary files harms nobody
                }
            }
        }
    }

    @Override
    public long sizeBytes() {
        return data.sizeBytes();
    }

    @Override
    public void read(ByteBuffer into, long offset) throws IOException {
        data.read(into, offset);
    }

    @Override
    public void write(ByteBuffer from, long offset) throws IOException {
        data.write(from, offset);
    }

    @Override
    public void zero(long offset, long length, boolean holesWanted) throws IOException {
        data.request(Nbd.WRITE_ZEROES, holesWanted ? 0 : Nbd.NO_HOLE, offset, length);
    }

    @Override
    public void discard(long offset, long length) throws IOException {
        if (data.offers(Nbd.SEND_TRIM)) {
            data.request(Nbd.TRIM, 0, offset, length);
        }
    }

    /** Not known here. */
    @Override
    public long dataFrom(long offset, long end) {
        return offset;
    }

    /** Not known here. */
    @Override
    public long dataUntil(long offset, long end) {
        return end;
    }

    @Override
    public void flush() throws IOException {
        flushes.request(Nbd.FLUSH, 0, 0, 0);
    }

    /** QEMU keeps tables of such formats in its own memory for a while. */
    @Override
    public boolean outlivesUs() {
        return false;
    }

    /** The image is free for others when this returns. */
    @Override
    public void close() throws IOException {
        CloseHelper.quietCloseAll(data, flushes);
        try {
            if (!process.waitFor(END_LIMIT_S, TimeUnit.SECONDS)) {
                throw new IOException(PROGRAM + " does not end");
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
