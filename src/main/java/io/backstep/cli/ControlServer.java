// SPDX-License-Identifier: Apache-2.0
package io.backstep.cli;

import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.DirectoryIteratorException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;

import io.backstep.core.BackstepException;
import io.backstep.core.BackstepException.Reason;
import org.agrona.CloseHelper;

/**
 * Serves the control socket of one target on a daemon thread of its own, which sleeps while no client speaks. Clients
 * may be many and may misbehave: none of them blocks the others, the handler, or the end. Thread-safe.
 */
final class ControlServer implements AutoCloseable {
    /** How long a client waits for the handler. */
    static final long TIMEOUT_MS = 30_000;

    private static final int CONNECTION_LIMIT = 64;
    private static final long ACCEPT_AGAIN_MS = 1_000;
    private static final long END_LIMIT_MS = 2_000;
    private static final long NS_PER_MS = 1_000_000;

    private final Path path;
    private final Object fileKey;
    private final ServerSocketChannel listener;
    private final SelectionKey listenerKey;
    private final Selector selector;
    private final ControlHandler handler;
    private final long timeoutMs;
    private final Thread thread;
    private volatile boolean closing;

    private ControlServer(Path path, ServerSocketChannel listener, Selector selector, ControlHandler handler,
            long timeoutMs) throws IOException {
        this.path = path;
        this.listener = listener;
        this.selector = selector;
        this.handler = handler;
        this.timeoutMs = timeoutMs;
        fileKey = fileKey(path);
        listener.configureBlocking(false);
        listenerKey = listener.register(selector, SelectionKey.OP_ACCEPT);
        thread = new Thread(this::serve, "backstep-control");
        thread.setDaemon(true);
    }

    /**
     * Begins to serve.
     *
     * @throws BackstepException it cannot be served, or another backstep does
     */
    static ControlServer open(int pid, ControlHandler handler) {
        return open(ControlDirectory.candidates().get(0), pid, handler, TIMEOUT_MS);
    }

    static ControlServer open(ControlDirectory directory, int pid, ControlHandler handler, long timeoutMs) {
        directory.prepare();
        Path path = directory.socketOf(pid);
        removeIfStale(path, pid);
        ServerSocketChannel listener = null;
        Selector selector = null;
        try {
            listener = ServerSocketChannel.open(StandardProtocolFamily.UNIX);
            listener.bind(UnixDomainSocketAddress.of(path));
            Files.setPosixFilePermissions(path, PosixFilePermissions.fromString("rw-------"));
            selector = Selector.open();
            ControlServer server = new ControlServer(path, listener, selector, handler, timeoutMs);
            server.thread.start();
            return server;
        } catch (IOException e) {
            CloseHelper.quietCloseAll(selector, listener);
            throw failure(path, e.getMessage());
        }
    }

    /** A socket that nobody answers at was left behind by a backstep that was killed. */
    private static void removeIfStale(Path path, int pid) {
        try {
            if (!Files.exists(path, LinkOption.NOFOLLOW_LINKS)) {
                return;
            }
            if (!Files.readAttributes(path, BasicFileAttributes.class, LinkOption.NOFOLLOW_LINKS).isOther()) {
                throw failure(path, "there is a file of that name");
            }
            if (isServed(path)) {
                throw failure(path, "another backstep protects process " + pid);
            }
            Files.deleteIfExists(path);
        } catch (IOException e) {
            throw failure(path, e.getMessage());
        }
    }

    private static BackstepException failure(Path path, String why) {
        return new BackstepException(Reason.FAILED, "cannot serve control requests at " + path + ": " + why);
    }

    private static boolean isServed(Path path) {
        try (SocketChannel ignored = SocketChannel.open(UnixDomainSocketAddress.of(path))) {
            return true;
        } catch (IOException e) {
            return false;
        }
    }

    private static Object fileKey(Path path) throws IOException {
        return Files.readAttributes(path, BasicFileAttributes.class, LinkOption.NOFOLLOW_LINKS).fileKey();
    }

    Path path() {
        return path;
    }

    long timeoutNs() {
        return timeoutMs * NS_PER_MS;
    }

    /** Hands a request to the handler; whatever goes wrong is in the future. */
    CompletableFuture<Map<String, Object>> begin(ControlRequest request) {
        CompletableFuture<Map<String, Object>> answer;
        try {
            answer = handler.handle(request);
        } catch (RuntimeException e) {
            return CompletableFuture.failedFuture(e);
        }
        if (answer == null) {
            return CompletableFuture.failedFuture(new IllegalStateException("no answer"));
        }
        answer.whenComplete((fields, failure) -> selector.wakeup());
        return answer;
    }

    /** The reply line for an answer that is there. */
    static String replyTo(Object id, CompletableFuture<Map<String, Object>> answer) {
        try {
            return ControlProtocol.success(id, answer.join());
        } catch (CancellationException e) {
            return ControlProtocol.failure(id, "the request was dropped");
        } catch (RuntimeException e) {
            return ControlProtocol.failure(id, explain(e));
        }
    }

    private static String explain(RuntimeException failure) {
        boolean isWrapped = failure instanceof CompletionException && failure.getCause() != null;
        Throwable cause = isWrapped ? failure.getCause() : failure;
        boolean isForPeople = cause instanceof BackstepException || cause instanceof IllegalArgumentException;
        return isForPeople && cause.getMessage() != null ? cause.getMessage() : "internal error: " + cause;
    }

    private void serve() {
        sweep();
        try {
            while (!closing) {
                selector.select(untilNextDeadlineMs());
                doWork(System.nanoTime());
            }
        } catch (IOException e) {
            deleteSocket(); // without a selector nobody can be served: do not look as if
        } finally {
            end();
        }
    }

    /** Removes the sockets of targets that are no more, left behind by backsteps that were killed. */
    private void sweep() {
        try (DirectoryStream<Path> sockets = Files.newDirectoryStream(path.getParent(), "*.sock")) {
            for (Path socket : sockets) {
                String name = socket.getFileName().toString();
                String pid = name.substring(0, name.length() - ".sock".length());
                boolean isOurs = socket.equals(path); // to connect to oneself would wait for oneself
                if (!isOurs && !Files.exists(Path.of("/proc", pid)) && !isServed(socket)) {
                    Files.deleteIfExists(socket);
                }
            }
        } catch (IOException | DirectoryIteratorException e) {
            // They harm nobody.
        }
    }

    private void doWork(long nowNs) {
        listenerKey.interestOps(SelectionKey.OP_ACCEPT);
        for (SelectionKey key : selector.selectedKeys()) {
            if (key.attachment() instanceof ControlConnection connection) {
                attempt(connection, () -> connection.onReady(nowNs));
            } else {
                accept(nowNs);
            }
        }
        selector.selectedKeys().clear();
        for (ControlConnection connection : connections()) {
            attempt(connection, () -> connection.onAnswer(nowNs));
        }
    }

    private long untilNextDeadlineMs() {
        long waitMs = listenerKey.interestOps() == 0 ? ACCEPT_AGAIN_MS : Long.MAX_VALUE;
        long nowNs = System.nanoTime();
        for (ControlConnection connection : connections()) {
            if (connection.isAwaitingAnswer()) {
                waitMs = Math.min(waitMs, Math.max(1, (connection.deadlineNs() - nowNs) / NS_PER_MS + 1));
            }
        }
        return waitMs == Long.MAX_VALUE ? 0 : waitMs;
    }

    private List<ControlConnection> connections() {
        List<ControlConnection> connections = new ArrayList<>();
        for (SelectionKey key : selector.keys()) {
            if (key.isValid() && key.attachment() instanceof ControlConnection connection) {
                connections.add(connection);
            }
        }
        return connections;
    }

    private void accept(long nowNs) {
        SocketChannel channel = null;
        try {
            channel = listener.accept();
            if (channel == null) {
                return;
            }
            List<ControlConnection> present = connections();
            if (present.size() >= CONNECTION_LIMIT) {
                closeLongestSilent(present);
            }
            channel.configureBlocking(false);
            SelectionKey key = channel.register(selector, SelectionKey.OP_READ);
            key.attach(new ControlConnection(channel, key, this, nowNs));
        } catch (IOException e) {
            CloseHelper.quietClose(channel);
            listenerKey.interestOps(0); // out of descriptors, most likely: try again in a while instead of at once
        }
    }

    private static void closeLongestSilent(List<ControlConnection> connections) {
        Comparator<ControlConnection> idleFirst = Comparator.comparing(ControlConnection::isAwaitingAnswer);
        connections.stream()
                .min(idleFirst.thenComparing(ControlConnection::lastHeardNs))
                .ifPresent(connection -> CloseHelper.quietClose(connection::close));
    }

    /** Serves one client; one whose socket fails is let go. */
    private static void attempt(ControlConnection connection, ConnectionWork work) {
        try {
            work.run();
        } catch (IOException | RuntimeException e) {
            CloseHelper.quietClose(connection::close);
        }
    }

    private void end() {
        for (ControlConnection connection : connections()) {
            attempt(connection, () -> connection.onEnd("backstep lets go of the target"));
        }
        CloseHelper.quietCloseAll(listener, selector);
    }

    private interface ConnectionWork {
        void run() throws IOException;
    }

    /** Removes the socket, answers what is answered, and ends the thread. Requests that are under way are told so. */
    @Override
    public void close() {
        deleteSocket();
        closing = true;
        selector.wakeup();
        if (Thread.currentThread() == thread) {
            return;
        }
        try {
            thread.join(END_LIMIT_MS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    /** Unless another one has taken its name. */
    private void deleteSocket() {
        try {
            if (fileKey(path).equals(fileKey)) {
                Files.deleteIfExists(path);
            }
        } catch (IOException e) {
            // Gone already, or it stays: a stale socket is replaced when its name is needed again.
        }
    }
}
