// SPDX-License-Identifier: Apache-2.0
package io.backstep.disk;

import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.HashSet;
import java.util.Set;
import java.util.concurrent.locks.LockSupport;
import java.util.function.Consumer;

import io.backstep.core.BackstepException;
import io.backstep.core.BackstepException.Reason;
import org.agrona.CloseHelper;

/** A Unix socket of this user alone, and a thread for each connection that comes. Thread-safe. */
final class ListeningSocket implements AutoCloseable {
    private static final int CONNECTION_LIMIT = 16;
    private static final long ACCEPT_AGAIN_NS = 100_000_000;

    private final Path path;
    private final Object fileKey;
    private final ServerSocketChannel listener;
    private final Consumer<SocketChannel> handler;
    private final Set<SocketChannel> open = new HashSet<>();
    private final Set<Thread> threads = new HashSet<>();
    private final Thread acceptor;

    private ListeningSocket(Path path, ServerSocketChannel listener, Consumer<SocketChannel> handler)
            throws IOException {
        this.path = path;
        this.listener = listener;
        this.handler = handler;
        fileKey = fileKey(path);
        acceptor = thread(this::accept, path.getFileName().toString());
    }

    /**
     * Begins to listen. A socket that nobody answers at is replaced.
     *
     * @param handler called for each connection on a thread of its own; the connection ends when it returns
     * @throws BackstepException it is not possible there
     */
    static ListeningSocket open(Path path, Consumer<SocketChannel> handler) {
        ServerSocketChannel channel = null;
        try {
            removeIfStale(path);
            channel = ServerSocketChannel.open(StandardProtocolFamily.UNIX);
            channel.bind(UnixDomainSocketAddress.of(path));
            Files.setPosixFilePermissions(path, PosixFilePermissions.fromString("rw-------"));
            ListeningSocket socket = new ListeningSocket(path, channel, handler);
            socket.acceptor.start();
            return socket;
        } catch (IOException e) {
            CloseHelper.quietClose(channel);
            throw failure(path, e.getMessage());
        }
    }

    private static void removeIfStale(Path path) throws IOException {
        if (!Files.exists(path, LinkOption.NOFOLLOW_LINKS)) {
            return;
        }
        if (!Files.readAttributes(path, BasicFileAttributes.class, LinkOption.NOFOLLOW_LINKS).isOther()) {
            throw failure(path, "there is a file of that name");
        }
        try (SocketChannel ignored = SocketChannel.open(UnixDomainSocketAddress.of(path))) {
            throw failure(path, "somebody else does");
        } catch (IOException e) {
            Files.deleteIfExists(path);
        }
    }

    private static BackstepException failure(Path path, String why) {
        return new BackstepException(Reason.FAILED, "cannot listen at " + path + ": " + why);
    }

    private static Object fileKey(Path path) throws IOException {
        return Files.readAttributes(path, BasicFileAttributes.class, LinkOption.NOFOLLOW_LINKS).fileKey();
    }

    private static Thread thread(Runnable job, String name) {
        Thread thread = new Thread(job, "backstep-" + name);
        thread.setDaemon(true);
        return thread;
    }

    private void accept() {
        while (true) {
            SocketChannel channel = null;
            try {
                channel = listener.accept();
                if (!admit(channel)) {
                    channel.close();
                }
            } catch (ClosedChannelException e) {
                return;
            } catch (IOException e) {
                CloseHelper.quietClose(channel);
                LockSupport.parkNanos(ACCEPT_AGAIN_NS); // out of descriptors, most likely
            }
        }
    }

    private synchronized boolean admit(SocketChannel channel) {
        if (open.size() >= CONNECTION_LIMIT || !listener.isOpen()) {
            return false;
        }
        Thread thread = thread(() -> serve(channel), path.getFileName() + "-client");
        open.add(channel);
        threads.add(thread);
        thread.start();
        return true;
    }

    private void serve(SocketChannel channel) {
        try {
            handler.accept(channel);
        } finally {
            CloseHelper.quietClose(channel);
            synchronized (this) {
                open.remove(channel);
                threads.remove(Thread.currentThread());
            }
        }
    }

    /** Ends all connections, and returns when none is served any more. */
    @Override
    public void close() {
        Set<Thread> left;
        synchronized (this) {
            CloseHelper.quietClose(listener);
            CloseHelper.quietCloseAll(open);
            left = new HashSet<>(threads);
        }
        try {
            acceptor.join();
            for (Thread thread : left) {
                thread.join();
            }
            if (Files.exists(path, LinkOption.NOFOLLOW_LINKS) && fileKey.equals(fileKey(path))) {
                Files.delete(path);
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        } catch (IOException e) {
            // a left socket harms nobody
        }
    }
}
