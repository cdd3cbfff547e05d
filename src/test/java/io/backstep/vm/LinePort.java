// SPDX-License-Identifier: Apache-2.0
package io.backstep.vm;

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
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Function;
import java.util.function.Supplier;

/**
 * The host's end of a character device that speaks in lines. QEMU connects to it when it starts, so that nothing is lost; a thread
 * reads all the time, so that QEMU never waits. Safe for several threads.
 */
final class LinePort implements AutoCloseable {
    private static final int SHOWN = 20;

    private final String name;
    private final Path socket;
    private final ServerSocketChannel server;
    private final Thread reader;
    private final ReentrantLock lock = new ReentrantLock();
    private final Condition news = lock.newCondition();
    private final List<String> lines = new ArrayList<>();
    private SocketChannel channel;
    private int seen;
    private boolean ended;

    /** Listens from now on. */
    LinePort(Path directory, String name) {
        this.name = name;
        socket = directory.resolve(name + ".sock");
        try {
            server = ServerSocketChannel.open(StandardProtocolFamily.UNIX);
            server.bind(UnixDomainSocketAddress.of(socket));
        } catch (IOException e) {
            throw new UncheckedIOException("listen on " + socket, e);
        }
        reader = new Thread(this::read, "reads " + name);
        reader.setDaemon(true);
        reader.start();
    }

    Path socket() {
        return socket;
    }

    private void read() {
        try (SocketChannel connected = server.accept()) {
            change(() -> channel = connected);
            BufferedReader from = new BufferedReader(Channels.newReader(connected, StandardCharsets.UTF_8));
            for (String line; (line = from.readLine()) != null;) {
                String whole = line;
                change(() -> lines.add(whole));
            }
        } catch (IOException e) {
            // Closed here or there: either is the end.
        } finally {
            change(() -> ended = true);
        }
    }

    private void change(Runnable change) {
        lock.lock();
        try {
            change.run();
            news.signalAll();
        } finally {
            lock.unlock();
        }
    }

    /** Sends a line. */
    void send(String line) {
        ByteBuffer bytes = ByteBuffer.wrap((line + "\n").getBytes(StandardCharsets.UTF_8));
        try {
            while (bytes.hasRemaining()) {
                channel.write(bytes);
            }
        } catch (IOException e) {
            throw new AssertionError("send '" + line + "' to " + this, e);
        }
    }

    /** Waits for the connection. */
    void awaitConnection(Duration limit) {
        await("a connection", limit, () -> channel);
    }

    /** All that has come counts as seen. */
    void skip() {
        change(() -> seen = lines.size());
    }

    /** The next line for which there is something, which then counts as seen with all before it; waits for it. */
    <T> T next(String what, Duration limit, Function<String, T> orNull) {
        return await(what, limit, () -> {
            while (seen < lines.size()) {
                T found = orNull.apply(lines.get(seen++));
                if (found != null) {
                    return found;
                }
            }
            return null;
        });
    }

    private <T> T await(String what, Duration limit, Supplier<T> orNull) {
        lock.lock();
        try {
            long leftNs = limit.toNanos();
            while (true) {
                T found = orNull.get();
                if (found != null) {
                    return found;
                }
                if (ended || leftNs <= 0) {
                    throw new AssertionError((ended ? "ended without " : "waited in vain for " + limit.toSeconds() + " s for ")
                            + what + " from " + this);
                }
                leftNs = awaitNews(leftNs);
            }
        } finally {
            lock.unlock();
        }
    }

    private long awaitNews(long leftNs) {
        try {
            return news.awaitNanos(leftNs);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new AssertionError("interrupted", e);
        }
    }

    /** All that came, also what was seen. */
    List<String> lines() {
        lock.lock();
        try {
            return List.copyOf(lines);
        } finally {
            lock.unlock();
        }
    }

    /** Ends the wait for a connection; one that there is stays. */
    void refuse() {
        try {
            server.close();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Ends the thread and the connection. */
    @Override
    public void close() throws IOException {
        refuse();
        lock.lock();
        try {
            if (channel != null) {
                channel.close();
            }
        } finally {
            lock.unlock();
        }
        try {
            reader.join(TimeUnit.SECONDS.toMillis(10));
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    @Override
    public String toString() {
        List<String> all = lines();
        return name + ", which said last:\n  " + String.join("\n  ", all.subList(Math.max(0, all.size() - SHOWN), all.size()));
    }
}
