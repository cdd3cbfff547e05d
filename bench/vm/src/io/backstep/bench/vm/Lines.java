// SPDX-License-Identifier: Apache-2.0
package io.backstep.bench.vm;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;

/**
 * A Unix socket that speaks in lines. Of one that has connected to us a thread reads all the time, so that the other end
 * never waits, and notes when each line came; of one that we have connected to only while somebody waits for a line, so
 * that nothing of ours is woken by what nobody asked for. For one user's thread.
 */
final class Lines implements AutoCloseable {
    private static final long LIMIT_NS = TimeUnit.SECONDS.toNanos(90);

    /** @param atNs when it came (System.nanoTime) */
    record Line(String text, long atNs) {
    }

    private final String name;
    private final Deque<Line> unseen = new ArrayDeque<>();
    private final ServerSocketChannel server;
    private SocketChannel channel;
    private boolean ended;
    private boolean isAwaited;
    private String last;

    private Lines(String name, ServerSocketChannel server, SocketChannel channel) {
        this.name = name;
        this.server = server;
        this.channel = channel;
        Thread reader = new Thread(this::read, "reads " + name);
        reader.setDaemon(true);
        reader.start();
    }

    /** Waits for one who connects, from now on. */
    static Lines listen(Path socket) throws IOException {
        ServerSocketChannel server = ServerSocketChannel.open(StandardProtocolFamily.UNIX);
        server.bind(UnixDomainSocketAddress.of(socket));
        return new Lines(socket.getFileName().toString(), server, null);
    }

    /** Connects to one who listens. */
    static Lines connect(Path socket) throws IOException {
        return new Lines(socket.getFileName().toString(), null, SocketChannel.open(UnixDomainSocketAddress.of(socket)));
    }

    private void read() {
        try {
            if (server != null) {
                SocketChannel accepted = server.accept();
                synchronized (this) {
                    channel = accepted;
                    notifyAll();
                }
            }
            BufferedReader from = new BufferedReader(Channels.newReader(channel, StandardCharsets.UTF_8));
            awaitReason();
            for (String text; (text = from.readLine()) != null; awaitReason()) {
                Line line = new Line(text, System.nanoTime());
                synchronized (this) {
                    unseen.addLast(line);
                    last = text;
                    notifyAll();
                }
            }
        } catch (IOException | InterruptedException e) {
            // Closed here or there: either is the end.
        } finally {
            synchronized (this) {
                ended = true;
                notifyAll();
            }
        }
    }

    private synchronized void awaitReason() throws InterruptedException {
        while (server == null && !isAwaited) {
            wait();
        }
    }

    /** Sends a line, as soon as there is somebody. */
    void send(String text) {
        ByteBuffer bytes = ByteBuffer.wrap((text + "\n").getBytes(StandardCharsets.UTF_8));
        try {
            synchronized (this) {
                long endNs = System.nanoTime() + LIMIT_NS;
                while (channel == null) {
                    await(endNs, "somebody who connects");
                }
            }
            while (bytes.hasRemaining()) {
                channel.write(bytes);
            }
        } catch (IOException e) {
            throw new UncheckedIOException("send '" + text + "' to " + name, e);
        }
    }

    /** The next line for which there is something; those before it are passed over. */
    synchronized <T> T next(String what, Function<Line, T> orNull) {
        long endNs = System.nanoTime() + LIMIT_NS;
        while (true) {
            while (!unseen.isEmpty()) {
                T found = orNull.apply(unseen.removeFirst());
                if (found != null) {
                    isAwaited = false;
                    return found;
                }
            }
            isAwaited = true;
            notifyAll();
            await(endNs, what);
        }
    }

    /** The next line that came already, or null. */
    synchronized Line poll() {
        return unseen.pollFirst();
    }

    private synchronized void await(long endNs, String what) {
        long leftMs = TimeUnit.NANOSECONDS.toMillis(endNs - System.nanoTime());
        if (ended || leftMs <= 0) {
            throw new IllegalStateException(name + (ended ? " ended without " : " does not give ") + what + ", last: " + last);
        }
        try {
            wait(leftMs);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException("interrupted", e);
        }
    }

    @Override
    public void close() throws IOException {
        if (server != null) {
            server.close();
        }
        synchronized (this) {
            if (channel != null) {
                channel.close();
            }
        }
    }
}
