// SPDX-License-Identifier: Apache-2.0
package io.backstep.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.ServerSocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.SplittableRandom;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.LinkedBlockingQueue;

import io.backstep.core.BackstepException;
import io.backstep.core.BackstepException.Reason;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Status is answered at once; a checkpoint, a rollback or a detach waits for the test to complete it. */
@Timeout(60)
class ControlServerTest {
    private static final int PID = 4711;
    private static final String STATUS = "{\"command\":\"status\"}";
    private static final String STATUS_REPLY = "{\"ok\":true,\"kept\":3}";
    private static final long LONG_MS = 50_000;

    @TempDir
    private Path parent;
    private final Queue<ControlRequest> requests = new ConcurrentLinkedQueue<>();
    private final LinkedBlockingQueue<CompletableFuture<Map<String, Object>>> pending = new LinkedBlockingQueue<>();
    private ControlHandler handler = this::answer;
    private ControlDirectory directory;
    private ControlServer server;

    @BeforeEach
    void open() {
        directory = new ControlDirectory(parent.resolve("sockets"), ControlDirectory.effectiveUid());
        server = open(LONG_MS);
    }

    @AfterEach
    void shouldLeaveNeitherSocketNorThread() {
        server.close();
        assertFalse(Files.exists(directory.socketOf(PID)));
        assertTrue(Thread.getAllStackTraces().keySet().stream()
                .noneMatch(thread -> thread.getName().equals("backstep-control")));
    }

    private ControlServer open(long timeoutMs) {
        return ControlServer.open(directory, PID, request -> handler.handle(request), timeoutMs);
    }

    private CompletableFuture<Map<String, Object>> answer(ControlRequest request) {
        requests.add(request);
        if (request.command() == ControlRequest.Command.STATUS) {
            return CompletableFuture.completedFuture(Map.of("kept", 3));
        }
        CompletableFuture<Map<String, Object>> answer = new CompletableFuture<>();
        pending.add(answer);
        return answer;
    }

    private LineClient connect() throws IOException {
        return new LineClient(server.path());
    }

    private void assertServes() throws IOException {
        try (LineClient client = connect()) {
            assertEquals(STATUS_REPLY, client.ask(STATUS));
        }
    }

    @Test
    void shouldLetNobodyElseReachIt() throws IOException {
        assertEquals(directory.path().resolve("4711.sock"), server.path());
        assertEquals("rwx------", PosixFilePermissions.toString(Files.getPosixFilePermissions(directory.path())));
        assertEquals("rw-------", PosixFilePermissions.toString(Files.getPosixFilePermissions(server.path())));
    }

    @Test
    void shouldHandRequestsToTheHandlerAndRepeatTheirIds() throws Exception {
        try (LineClient client = connect()) {
            client.send("{\"command\":\"rollback\",\"to\":17,\"id\":\"a\"}\n");
            pending.take().complete(Map.of("to_checkpoint", 17));

            assertEquals("{\"ok\":true,\"id\":\"a\",\"to_checkpoint\":17}", client.line());
            assertEquals(17, requests.remove().to().getAsLong());
        }
    }

    @Test
    void shouldAnswerLinesThatComeTogetherOrInPiecesInTheirOrder() throws IOException {
        try (LineClient client = connect()) {
            client.send("{\"command\":\"status\",\"id\":1}\n{\"command\":\"status\",\"id\":2}\n{\"comm");
            assertEquals("{\"ok\":true,\"id\":1,\"kept\":3}", client.line());
            assertEquals("{\"ok\":true,\"id\":2,\"kept\":3}", client.line());
            client.send("and\":\"status\",\"id\":3}\n");
            assertEquals("{\"ok\":true,\"id\":3,\"kept\":3}", client.line());
        }
    }

    @Test
    void shouldStayUsableAfterAMalformedLine() throws IOException {
        try (LineClient client = connect()) {
            assertEquals("{\"ok\":false,\"error\":\"the line is not a JSON object\"}", client.ask(""));
            assertTrue(client.ask("{nonsense").startsWith("{\"ok\":false,\"error\":\"the line is not valid JSON"));
            assertEquals(STATUS_REPLY, client.ask(STATUS));
        }
        assertEquals(1, requests.size());
    }

    @Test
    void shouldTakeALineOfTheGreatestLength() throws IOException {
        try (LineClient client = connect()) {
            assertEquals(STATUS_REPLY, client.ask(STATUS + " ".repeat(ControlProtocol.LINE_LIMIT - STATUS.length())));
            assertEquals(STATUS_REPLY, client.ask(STATUS));
        }
    }

    @Test
    void shouldCloseAfterALineThatIsTooLong() throws IOException {
        try (LineClient client = connect()) {
            client.send(" ".repeat(ControlProtocol.LINE_LIMIT + 1));

            assertEquals("{\"ok\":false,\"error\":\"the line is longer than 65536 bytes\"}", client.line());
            assertNull(client.line());
        }
        assertServes();
    }

    @Test
    void shouldAnswerAClientThatHasSaidAll() throws Exception {
        try (LineClient client = connect()) {
            client.send("{\"command\":\"checkpoint\"}\n");
            client.channel.shutdownOutput();
            pending.take().complete(Map.of());

            assertEquals("{\"ok\":true}", client.line());
            assertNull(client.line());
        }
    }

    @Test
    void shouldNotDoWhatALineWithoutEndAsks() throws IOException {
        try (LineClient client = connect()) {
            client.send(STATUS);
            client.channel.shutdownOutput();

            assertEquals("{\"ok\":false,\"error\":\"the last line has no end\"}", client.line());
            assertNull(client.line());
        }
        assertTrue(requests.isEmpty());
    }

    @Test
    void shouldTellWhatFailed() throws IOException {
        expectError(new BackstepException(Reason.REFUSED, "checkpoint 17 is not kept"), "checkpoint 17 is not kept");
        expectError(new IllegalArgumentException("two\nlines"), "two lines");
        expectError(new IllegalStateException("oops"), "internal error: java.lang.IllegalStateException: oops");
        expectError(new StackOverflowError(), "internal error: java.lang.StackOverflowError");
    }

    private void expectError(Throwable failure, String error) throws IOException {
        handler = request -> CompletableFuture.<Map<String, Object>>failedFuture(failure).thenApply(fields -> fields);
        try (LineClient client = connect()) {
            assertEquals("{\"ok\":false,\"error\":\"" + error + "\"}", client.ask(STATUS));
        }
    }

    @Test
    void shouldSurviveABrokenHandler() throws IOException {
        try (LineClient client = connect()) {
            handler = request -> {
                throw new BackstepException(Reason.GONE, "process 4711 has ended");
            };
            assertEquals("{\"ok\":false,\"error\":\"process 4711 has ended\"}", client.ask(STATUS));
            handler = request -> null;
            assertEquals("{\"ok\":false,\"error\":\"internal error: java.lang.IllegalStateException: no answer\"}",
                    client.ask(STATUS));
            handler = request -> CompletableFuture.completedFuture(null);
            assertTrue(client.ask(STATUS).startsWith("{\"ok\":false,\"error\":\"internal error: "));
        }
    }

    @Test
    void shouldGiveUpOnAHandlerThatNeverAnswers() throws Exception {
        server.close();
        server = open(20);
        try (LineClient client = connect()) {
            assertEquals("{\"ok\":false,\"id\":1,\"error\":\"no answer in time; it may still be done\"}",
                    client.ask("{\"command\":\"rollback\",\"id\":1}"));
            assertTrue(pending.take().isCancelled());
            assertEquals(STATUS_REPLY, client.ask(STATUS));
        }
    }

    @Test
    void shouldServeOthersWhileOneWaits() throws Exception {
        try (LineClient waiting = connect()) {
            waiting.send("{\"command\":\"checkpoint\"}\n" + STATUS + "\n");
            CompletableFuture<Map<String, Object>> answer = pending.take();
            assertServes();

            answer.complete(Map.of("checkpoint", 18));

            assertEquals("{\"ok\":true,\"checkpoint\":18}", waiting.line());
            assertEquals(STATUS_REPLY, waiting.line());
        }
    }

    @Test
    void shouldServeManyClientsAtOnce() throws Exception {
        ExecutorService threads = Executors.newFixedThreadPool(16);
        try {
            List<Future<Void>> clients = new ArrayList<>();
            for (int i = 0; i < 16; i++) {
                int first = i * 1000;
                clients.add(threads.submit((Callable<Void>) () -> {
                    try (LineClient client = connect()) {
                        for (int id = first; id < first + 100; id++) {
                            assertEquals("{\"ok\":true,\"id\":" + id + ",\"kept\":3}",
                                    client.ask("{\"id\":" + id + ",\"command\":\"status\"}"));
                        }
                    }
                    return null;
                }));
            }
            for (Future<Void> client : clients) {
                client.get();
            }
        } finally {
            threads.shutdownNow();
        }
    }

    @Test
    void shouldNotBeHeldUpByAClientThatNeverReads() throws IOException {
        handler = request -> CompletableFuture.completedFuture(Map.of("long", "x".repeat(1 << 20)));
        try (LineClient deaf = connect()) {
            deaf.send(STATUS + "\n");
            deaf.channel.configureBlocking(false);
            ByteBuffer more = ByteBuffer.wrap((STATUS + "\n").repeat(1000).getBytes());
            long sent = 0;
            for (int written = 1; written > 0 && sent < 100_000_000; sent += written) {
                written = deaf.channel.write(more.rewind());
            }
            assertTrue(sent < 100_000_000, "the server took all of " + sent + " bytes");

            handler = this::answer;
            assertServes();
        }
        assertServes();
    }

    @Test
    void shouldSurviveClientsThatGoAwayAtAnyTime() throws Exception {
        for (int i = 0; i < 50; i++) {
            connect().close();
            talkAndGo("{\"comm");
            talkAndGo(STATUS + "\n");
            talkAndGo((STATUS + "\n").repeat(100));
            talkAndGo("{\"command\":\"checkpoint\"}\n");
            pending.take().complete(Map.of());
        }
        assertServes();
    }

    private void talkAndGo(String text) throws IOException {
        try (LineClient client = connect()) {
            client.send(text);
        }
    }

    @Test
    void shouldMakeRoomForANewClientWhenOthersOnlySitThere() throws IOException {
        List<LineClient> idle = new ArrayList<>();
        try {
            for (int i = 0; i < 200; i++) {
                idle.add(connect());
            }
            assertServes();
            assertNull(idle.get(0).line());
        } finally {
            for (LineClient client : idle) {
                client.close();
            }
        }
    }

    @Test
    void shouldSurviveGarbage() throws IOException {
        long seed = Long.getLong("backstep.seed", System.nanoTime());
        SplittableRandom random = new SplittableRandom(seed);
        try {
            for (int round = 0; round < 300; round++) {
                byte[] garbage = new byte[random.nextInt(2000)];
                random.nextBytes(garbage);
                try (LineClient client = connect()) {
                    client.send(garbage);
                    if (random.nextBoolean()) {
                        client.send("\n" + STATUS + "\n");
                        String line = client.line();
                        while (line != null && line.startsWith("{\"ok\":false")) {
                            line = client.line();
                        }
                        assertEquals(STATUS_REPLY, line);
                    }
                }
            }
            assertServes();
        } catch (IOException | AssertionError e) {
            throw new AssertionError("replay with -Dbackstep.seed=" + seed, e);
        }
    }

    @Test
    void shouldReplaceTheSocketOfAServerThatWasKilled() throws IOException {
        server.close();
        ServerSocketChannel killed = ServerSocketChannel.open(StandardProtocolFamily.UNIX);
        killed.bind(UnixDomainSocketAddress.of(directory.socketOf(PID))).close();
        assertTrue(Files.exists(directory.socketOf(PID)));

        server = open(LONG_MS);

        assertServes();
    }

    @Test
    void shouldRemoveSocketsThatWereLeftBehindForProcessesThatAreNoMore() throws IOException {
        server.close();
        Path gone = directory.socketOf(Integer.MAX_VALUE);
        Path alive = directory.socketOf((int) ProcessHandle.current().pid());
        for (Path path : List.of(gone, alive)) {
            ServerSocketChannel killed = ServerSocketChannel.open(StandardProtocolFamily.UNIX);
            killed.bind(UnixDomainSocketAddress.of(path)).close();
        }
        server = open(LONG_MS);

        assertServes();

        assertFalse(Files.exists(gone));
        assertTrue(Files.exists(alive));
    }

    @Test
    void shouldNotReplaceTheSocketOfALiveServer() throws IOException {
        BackstepException e = assertThrows(BackstepException.class, () -> open(LONG_MS));

        assertTrue(e.getMessage().endsWith("4711.sock: another backstep protects process 4711"), e.getMessage());
        assertServes();
    }

    @Test
    void shouldNotReplaceWhatIsNoSocket() throws IOException {
        server.close();
        Files.writeString(directory.socketOf(PID), "precious");
        try {
            assertThrows(BackstepException.class, () -> open(LONG_MS));
            assertEquals("precious", Files.readString(directory.socketOf(PID)));
        } finally {
            Files.delete(directory.socketOf(PID));
        }
    }

    @Test
    void shouldRefuseAForeignDirectory() {
        server.close();
        ControlDirectory foreign = new ControlDirectory(directory.path(), ControlDirectory.effectiveUid() + 1);

        assertThrows(BackstepException.class, () -> ControlServer.open(foreign, PID, handler, LONG_MS));
    }

    @Test
    void shouldSayThatAPathIsTooLong() {
        ControlDirectory deep = new ControlDirectory(parent.resolve("d".repeat(120)), ControlDirectory.effectiveUid());

        BackstepException e = assertThrows(BackstepException.class,
                () -> ControlServer.open(deep, PID, handler, LONG_MS));

        assertTrue(e.getMessage().contains("too long"), e.getMessage());
    }

    @Test
    void shouldLeaveASuccessorsSocketAlone() throws IOException {
        ControlServer first = server;
        Files.delete(first.path());
        server = open(LONG_MS);

        first.close();
        first.close();

        assertServes();
    }

    @Test
    void shouldTellClientsWhatBecameOfTheirRequestsWhenItEnds() throws Exception {
        try (LineClient detaching = connect(); LineClient waiting = connect(); LineClient idle = connect()) {
            detaching.send("{\"command\":\"detach\"}\n");
            CompletableFuture<Map<String, Object>> detached = pending.take();
            waiting.send("{\"command\":\"checkpoint\"}\n");
            CompletableFuture<Map<String, Object>> unfinished = pending.take();

            detached.complete(Map.of());
            server.close();

            assertEquals("{\"ok\":true}", detaching.line());
            assertEquals("{\"ok\":false,\"error\":\"backstep lets go of the target\"}", waiting.line());
            assertTrue(unfinished.isCancelled());
            assertNull(idle.line());
        }
    }
}
