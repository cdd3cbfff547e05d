// SPDX-License-Identifier: Apache-2.0
package io.backstep.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.ServerSocketChannel;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;

import io.backstep.cli.ControlRequest.Command;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import picocli.CommandLine;

@Timeout(60)
class CtlCommandTest {
    @TempDir
    private Path parent;
    private final StringWriter out = new StringWriter();
    private final StringWriter err = new StringWriter();
    private ControlDirectory directory;

    @BeforeEach
    void prepare() {
        directory = new ControlDirectory(parent.resolve("sockets"), ControlDirectory.effectiveUid());
        directory.prepare();
    }

    @Test
    void shouldPrintAReplyForPeople() {
        try (ControlServer ignored = serve(this::status)) {
            assertEquals(0, ctl("4711", "status"));
        }
        assertEquals("""
                name         bad?[31mname
                interval_ms  50
                latency_ms   -
                pause_us     p50 120  p99 300.5
                caught       SEGV, BUS
                faults       none
                checkpoint   id 17  age_ms 12
                checkpoint   id 18  age_ms 2
                """, out.toString());
        assertEquals("", err.toString());
    }

    private CompletableFuture<Map<String, Object>> status(ControlRequest request) {
        Map<String, Object> fields = new LinkedHashMap<>();
        fields.put("name", "bad\u001b[31mname");
        fields.put("interval_ms", 50);
        fields.put("latency_ms", Double.NaN);
        fields.put("pause_us", inOrder("p50", 120, "p99", 300.5));
        fields.put("caught", List.of("SEGV", "BUS"));
        fields.put("faults", List.of());
        fields.put("checkpoint", List.of(inOrder("id", 17, "age_ms", 12.0), inOrder("id", 18, "age_ms", 2)));
        return CompletableFuture.completedFuture(fields);
    }

    private static Map<String, Object> inOrder(String first, Object one, String second, Object two) {
        Map<String, Object> map = new LinkedHashMap<>();
        map.put(first, one);
        map.put(second, two);
        return map;
    }

    @Test
    void shouldSayDoneWhenThereIsNothingElseToSay() {
        try (ControlServer ignored = serve(request -> CompletableFuture.completedFuture(Map.of()))) {
            assertEquals(0, ctl("4711", "detach"));
        }
        assertEquals("done\n", out.toString());
    }

    @Test
    void shouldPrintTheReplyAsItCame() {
        try (ControlServer ignored = serve(this::echo)) {
            assertEquals(0, ctl("--json", "4711", "rollback", "--to", "17"));
        }
        assertEquals("{\"ok\":true,\"command\":\"ROLLBACK\",\"to\":17}\n", out.toString());
    }

    private CompletableFuture<Map<String, Object>> echo(ControlRequest request) {
        return CompletableFuture.completedFuture(inOrder("command", request.command(), "to", request.to().orElse(-1)));
    }

    @Test
    void shouldFailWhenTheRequestFailed() {
        try (ControlServer ignored = serve(request -> {
            throw new IllegalArgumentException("checkpoint 17 is not kept");
        })) {
            assertEquals(ExitStatus.FAILED, ctl("4711", "rollback", "--to=17"));
            assertEquals("backstep: checkpoint 17 is not kept\n", err.toString());
            assertEquals(ExitStatus.FAILED, ctl("4711", "rollback", "--json"));
            assertEquals("{\"ok\":false,\"error\":\"checkpoint 17 is not kept\"}\n", out.toString());
        }
    }

    @Test
    void shouldSayThatNothingProtectsTheProcess() {
        assertEquals(ExitStatus.CANNOT_ATTACH, ctl("4711", "status"));
        assertEquals("backstep: no backstep protects process 4711\n", err.toString());
        assertEquals(ExitStatus.CANNOT_ATTACH, ctl("4711", "status", "--json"));
        assertEquals("{\"ok\":false,\"error\":\"no backstep protects process 4711\"}\n", out.toString());
    }

    @Test
    void shouldNotBeFooledByTheSocketOfABackstepThatWasKilled() throws IOException {
        listen().close();

        assertEquals(ExitStatus.CANNOT_ATTACH, ctl("4711", "status"));
    }

    @Test
    void shouldNotTalkToASocketInAnotherUsersDirectory() {
        try (ControlServer ignored = serve(this::status)) {
            directory = new ControlDirectory(directory.path(), ControlDirectory.effectiveUid() + 1);

            assertEquals(ExitStatus.CANNOT_ATTACH, ctl("4711", "status"));
        }
    }

    @Test
    void shouldNotWaitForEver() throws IOException {
        try (ServerSocketChannel ignored = listen()) {
            assertEquals(ExitStatus.FAILED, ctl("4711", "status"));
        }
        assertEquals("backstep: process 4711: backstep does not answer\n", err.toString());
    }

    @Test
    void shouldSayThatBackstepWentAway() throws Exception {
        try (ServerSocketChannel listener = listen()) {
            CompletableFuture<Void> hangsUp = CompletableFuture.runAsync(() -> {
                try {
                    listener.accept().close();
                } catch (IOException e) {
                    throw new IllegalStateException(e);
                }
            });
            assertEquals(ExitStatus.FAILED, ctl("4711", "status"));
            hangsUp.get();
        }
        assertTrue(err.toString().startsWith("backstep: process 4711: "), err.toString());
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '`', value = {
        "0 status | PID must be a positive number, not 0",
        "x status | 'x' is not an int",
        "4711 | COMMAND",
        "4711 jump | 'jump' is none of status, checkpoint, rollback, detach",
        "4711 status --to 3 | --to goes with rollback only, not with status",
        "4711 rollback --to -3 | --to must be the number of a checkpoint, not -3"
    })
    void shouldRefuseBadUsage(String arguments, String message) {
        assertEquals(CommandLine.ExitCode.USAGE, ctl(arguments.split(" ")));
        assertTrue(err.toString().contains(message), err.toString());
    }

    @Test
    void shouldHaveANameForEveryCommand() {
        assertEquals("status, checkpoint, rollback, detach", Command.keys());
    }

    private ControlServer serve(ControlHandler handler) {
        return ControlServer.open(directory, 4711, handler, 10_000);
    }

    private ServerSocketChannel listen() throws IOException {
        return ServerSocketChannel.open(StandardProtocolFamily.UNIX)
                .bind(UnixDomainSocketAddress.of(directory.socketOf(4711)));
    }

    private int ctl(String... arguments) {
        return new CommandLine(new CtlCommand(() -> List.of(directory), 200))
                .setOut(new PrintWriter(out)).setErr(new PrintWriter(err)).execute(arguments);
    }
}
