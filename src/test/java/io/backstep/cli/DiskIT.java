// SPDX-License-Identifier: Apache-2.0
package io.backstep.cli;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;

import io.backstep.core.BackstepException;
import io.backstep.disk.DiskClient;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** {@code backstep disk} with QEMU's own tools as the guest, killed at any moment, and with images that cannot be served. */
@Timeout(value = 5, unit = TimeUnit.MINUTES)
class DiskIT {
    private static final int DISK_BYTES = 32 << 20;

    @RegisterExtension
    final Sandbox sandbox = new Sandbox();

    private Path image;
    private Path socket;
    private byte[] content;

    @BeforeEach
    void makeImage() throws IOException {
        assumeTrue(Stream.of(System.getenv("PATH").split(":")).anyMatch(at -> Files.isExecutable(Path.of(at, "qemu-io"))),
                "needs qemu-utils");
        socket = sandbox.file("disk");
        content = new byte[DISK_BYTES];
        new SplittableRandom(5).nextBytes(content);
        Arrays.fill(content, 4 << 20, 20 << 20, (byte) 0);
        image = Files.write(sandbox.file("image"), content);
    }

    private Invocation server(String... options) {
        List<String> words = new ArrayList<>(List.of("disk", "--socket", socket.toString()));
        words.addAll(List.of(options));
        words.add(image.toString());
        return sandbox.backstep(words.toArray(String[]::new));
    }

    private Launch serve(String... options) {
        Launch launch = server(options).start();
        Await.until("the disk is served by " + launch, () -> {
            launch.requireAlive();
            return launch.err().contains("serving");
        });
        return launch;
    }

    private void end(Launch launch) {
        launch.signal("TERM");
        assertEquals(0, launch.status(), launch.describe());
        assertFalse(Files.exists(socket) || Files.exists(sandbox.file("disk.ctl")), "sockets stay");
    }

    private String url() {
        return "nbd+unix:///?socket=" + socket;
    }

    /** What qemu-io says to commands; it must go well. */
    private String guest(String... commands) {
        List<String> words = new ArrayList<>(List.of("qemu-io", "-f", "raw"));
        for (String command : commands) {
            words.addAll(List.of("-c", command));
        }
        words.add(url());
        Launch launch = sandbox.command(words.toArray(String[]::new)).toEnd();
        assertEquals(0, launch.status(), launch.describe());
        return launch.out();
    }

    private void makeQcow2() {
        Path raw = image;
        image = sandbox.file("image.qcow2");
        succeed("qemu-img", "convert", "-f", "raw", "-O", "qcow2", raw.toString(), image.toString());
    }

    private Launch succeed(String... words) {
        Launch launch = sandbox.command(words).toEnd();
        assertEquals(0, launch.status(), launch.describe());
        return launch;
    }

    /** Is the image, read without us, what this file is? */
    private void assertImageIs(String format, Path expected) {
        succeed("qemu-img", "compare", "-f", format, "-F", "raw", image.toString(), expected.toString());
    }

    /* ---- the guest's view ---- */

    @ParameterizedTest
    @ValueSource(strings = {"raw", "qcow2"})
    void shouldServeAndTakeBack(String format) throws IOException {
        Path then = Files.copy(image, sandbox.file("then"));
        if (format.equals("qcow2")) {
            makeQcow2();
        }
        Launch server = serve("--format", format);
        succeed("qemu-img", "compare", "-f", "raw", "-F", "raw", then.toString(), url());
        guest("write -P 1 0 64k", "write -z 8k 4k", "flush");
        try (DiskClient client = DiskClient.connect(socket)) {
            client.mark(1);
            guest("write -P 2 512 3M", "write -z -u 20M 4M", "discard 28M 2M", "write -f -P 3 10M 512",
                    "aio_write -P 4 5M 9M", "aio_write -P 5 16M 1k", "aio_read 0 3M", "aio_flush", "read -P 4 5M 9M",
                    "read -P 0 20M 4M", "read -P 2 8k 4k");
            client.mark(2);
            guest("write -P 6 0 32M", "read -P 6 0 32M");
            client.drop(2);
            assertTrue(client.rollback(1) > 0);
            guest("read -P 1 0 8k", "read -P 0 8k 4k", "read -P 1 12k 52k");
        }
        end(server);

        try (var bytes = Files.newByteChannel(then, StandardOpenOption.WRITE)) {
            bytes.write(ByteBuffer.wrap(expectedStart()));
        }
        assertImageIs(format, then);
        assertFalse(Files.exists(sandbox.file(image.getFileName() + ".backstep-undo")));
    }

    private static byte[] expectedStart() {
        byte[] start = new byte[64 << 10];
        Arrays.fill(start, (byte) 1);
        Arrays.fill(start, 8 << 10, 12 << 10, (byte) 0);
        return start;
    }

    @Test
    void shouldKeepHolesWhenZerosAndDiscardsAreTakenBack() throws IOException {
        Launch server = serve("--format", "raw");
        guest("write -z -u 0 32M", "flush");
        long blocksOfNothing = blocks();
        try (DiskClient client = DiskClient.connect(socket)) {
            client.mark(1);
            guest("write -P 1 1M 8M", "discard 1M 4M", "flush");
            client.rollback(1);
        }
        end(server);
        assertEquals(blocksOfNothing, blocks());
        assertArrayEquals(new byte[DISK_BYTES], Files.readAllBytes(image));
    }

    private long blocks() {
        return Long.parseLong(succeed("stat", "--format=%b", image.toString()).out().trim());
    }

    @Test
    void shouldLetNobodyWriteWhenReadOnly() throws IOException {
        Files.copy(image, sandbox.file("same"));
        Launch server = serve("--format", "raw", "--read-only");
        succeed("qemu-img", "compare", "-f", "raw", "-F", "raw", sandbox.file("same").toString(), url());
        Launch refused = sandbox.command("qemu-io", "-f", "raw", "-c", "write 0 512", url()).toEnd();
        assertFalse(refused.status() == 0, refused.describe());
        try (DiskClient client = DiskClient.connect(socket)) {
            assertThrows(BackstepException.class, () -> client.mark(1));
        }
        end(server);
        assertArrayEquals(content, Files.readAllBytes(image));
    }

    @Test
    void shouldKeepOthersAwayFromTheImage() {
        Launch server = serve("--format", "raw");
        Launch other = sandbox.command("qemu-io", "-f", "raw", "-c", "write 0 512", image.toString()).toEnd();
        assertTrue(other.status() != 0 && other.err().contains("lock"), other.describe());
        Launch second = sandbox.backstep("disk", "--format", "raw", "--read-only", "--socket",
                sandbox.file("other").toString(), image.toString()).toEnd();
        assertEquals(ExitStatus.CANNOT_START, second.status(), second.describe());
        assertTrue(second.err().contains("another process uses"), second.describe());
        end(server);
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "--read-only"})
    void shouldStayAwayFromImageThatAnotherWrites(String option) throws IOException {
        Launch other = sandbox.command("qemu-nbd", "--persistent", "--format=raw", "--socket=" + sandbox.file("theirs"),
                image.toString()).start();
        Await.until("they serve", () -> Files.exists(sandbox.file("theirs")));
        Launch refused = (option.isEmpty() ? server("--format", "raw") : server("--format", "raw", option)).toEnd();
        assertEquals(ExitStatus.CANNOT_START, refused.status(), refused.describe());
        assertTrue(refused.err().contains("another process uses"), refused.describe());
        other.signal("TERM");
        other.status();
    }

    /* ---- kills ---- */

    @ParameterizedTest
    @ValueSource(strings = {"raw", "qcow2"})
    void shouldBeThenOrNowWhenKilledInARollback(String format) throws IOException {
        sandbox.letSocketsStay();
        long seed = Long.getLong("backstep.seed", System.nanoTime());
        SplittableRandom random = new SplittableRandom(seed);
        Path then = Files.copy(image, sandbox.file("then"));
        if (format.equals("qcow2")) {
            makeQcow2();
        }
        int rounds = Integer.getInteger("backstep.rounds", format.equals("raw") ? 8 : 4);
        int completed = 0;
        for (int round = 0; round < rounds; round++) {
            Launch server = serve("--format", format);
            String told;
            try (DiskClient client = DiskClient.connect(socket)) {
                client.mark(1);
                guest("write -P 6 0 16M", "write -P 7 18M 14M", "flush");
                Thread rollback = new Thread(() -> assertThrows(BackstepException.class, () -> {
                    client.rollback(1);
                    throw new BackstepException(BackstepException.Reason.FAILED, "it was faster than the kill");
                }));
                rollback.start();
                Await.pause(random.nextInt(90));
                server.kill();
                server.status();
                join(rollback);
            }
            Launch next = serve("--format", format);
            told = next.err();
            boolean isThen = guest("read -v 0 1").contains(String.format("%02x ", content[0]));
            end(next);
            completed += told.contains("was completed") ? 1 : 0;
            if (isThen) {
                assertImageIs(format, then);
            } else {
                Path now = Files.write(sandbox.file("now"), written());
                assertImageIs(format, now);
            }
            Files.deleteIfExists(sandbox.file("now"));
            if (!isThen) {
                Launch again = serve("--format", format);
                succeed("qemu-img", "convert", "-n", "-f", "raw", "-O", "raw", then.toString(), url());
                end(again);
            }
        }
        System.out.println(format + ", seed " + seed + ": " + completed + " of " + rounds + " rollbacks were completed at the start");
    }

    private byte[] written() {
        byte[] bytes = content.clone();
        Arrays.fill(bytes, 0, 16 << 20, (byte) 6);
        Arrays.fill(bytes, 18 << 20, 32 << 20, (byte) 7);
        return bytes;
    }

    private static void join(Thread thread) {
        try {
            thread.join();
        } catch (InterruptedException e) {
            throw new AssertionError("interrupted", e);
        }
    }

    @Test
    void shouldHaveAllAnsweredWritesAfterAKill() throws IOException {
        sandbox.letSocketsStay();
        Launch server = serve("--format", "raw");
        try (DiskClient client = DiskClient.connect(socket)) {
            client.mark(1);
            guest("write -P 6 0 16M");
            client.rollback(1);
            guest("write -P 7 0 8M");
            server.kill();
            server.status();
        }
        end(serve("--format", "raw"));
        byte[] expected = content.clone();
        Arrays.fill(expected, 0, 8 << 20, (byte) 7);
        assertArrayEquals(expected, Files.readAllBytes(image));
    }

    @Test
    void shouldFailRequestsAndSayItOnceWhenQemuNbdDies() {
        makeQcow2();
        Launch server = serve("--format", "auto");
        int child = Proc.descendants(server.pid()).stream()
                .filter(pid -> Proc.commandLine(pid).contains("qemu-nbd")).findFirst().orElseThrow();
        Proc.kill(child);
        for (int i = 0; i < 2; i++) {
            Launch reader = sandbox.command("qemu-io", "-f", "raw", "-c", "read 0 512", url()).toEnd();
            assertTrue((reader.out() + reader.err()).contains("Input/output error"), reader.describe());
        }
        assertEquals(1, server.err().lines().filter(line -> line.contains("server is lost")).count(), server.describe());
        server.signal("TERM");
        assertEquals(ExitStatus.FAILED, server.status(), server.describe());
    }

    @Test
    void shouldLeaveNoQemuNbdBehindWhenKilled() {
        sandbox.letSocketsStay();
        makeQcow2();
        Launch server = serve("--format", "qcow2");
        server.kill();
        server.awaitAll();
    }

    /* ---- what cannot be served ---- */

    @Test
    void shouldRefuseImagesThatCannotBeServed() throws IOException {
        assertRefused(ExitStatus.CANNOT_START, "say --format raw", server());
        assertRefused(ExitStatus.CANNOT_START, "qcow2", server("--format", "qcow2"));
        assertRefused(ExitStatus.USAGE, "--format", server("--format", "vmdk"));
        assertRefused(ExitStatus.USAGE, "--memory-budget", server("--format", "raw", "--memory-budget", "much"));
        assertRefused(ExitStatus.USAGE, "budget", server("--format", "raw", "--memory-budget", "0"));
        Files.write(socket, new byte[1]);
        assertRefused(ExitStatus.FAILED, "there is a file of that name", server("--format", "raw"));
        Files.delete(socket);
        socket = sandbox.file("no/such/directory");
        assertRefused(ExitStatus.FAILED, "cannot listen at", server("--format", "raw"));
        socket = sandbox.file("disk");
        Files.write(image, new byte[1000]);
        assertRefused(ExitStatus.CANNOT_START, "no multiple of 512", server("--format", "raw"));
        Files.delete(image);
        assertRefused(ExitStatus.CANNOT_START, "no such file", server("--format", "raw"));
        assertRefused(ExitStatus.CANNOT_START, "no such file", server());
        image = sandbox.file(".");
        assertRefused(ExitStatus.CANNOT_START, "not a regular file", server("--format", "raw"));
    }

    private static void assertRefused(int status, String why, Invocation invocation) {
        Launch launch = invocation.toEnd();
        assertEquals(status, launch.status(), launch.describe());
        String err = launch.err();
        assertTrue(err.startsWith("backstep: ") && err.indexOf('\n') == err.length() - 1, launch.describe());
        assertTrue(err.contains(why) && !err.contains("Exception") && !err.contains("please report"), launch.describe());
    }
}
