// SPDX-License-Identifier: Apache-2.0
package io.backstep.disk;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;

import io.backstep.core.BackstepException;
import io.backstep.core.BackstepException.Reason;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.api.io.TempDir;

/** A server of a disk, spoken to at its two sockets, well and badly. */
@Timeout(value = 2, unit = TimeUnit.MINUTES)
class DiskServerTest {
    private static final int DISK_BYTES = 4 << 20;
    private static final long BUDGET_BYTES = 64 << 20;

    @TempDir
    Path directory;

    private final List<String> messages = new CopyOnWriteArrayList<>();
    private final ByteBuffer buffer = ByteBuffer.allocateDirect(Blocks.BYTES);
    private Path image;
    private Path socket;
    private DiskServer server;
    private NbdClient guest;

    @BeforeEach
    void serve() throws IOException {
        image = directory.resolve("image");
        socket = directory.resolve("socket");
        byte[] content = new byte[DISK_BYTES];
        new SplittableRandom(3).nextBytes(content);
        Files.write(image, content);
        server = DiskServer.open(image, ImageFormat.RAW, false, BUDGET_BYTES, socket, messages::add);
        guest = new NbdClient(SocketChannel.open(UnixDomainSocketAddress.of(socket)));
    }

    @AfterEach
    void close() throws IOException {
        guest.close();
        server.close();
        try (var left = Files.list(directory)) {
            assertEquals(List.of(image), left.toList());
        }
    }

    private void write(long offset, int value) throws IOException {
        buffer.clear();
        while (buffer.hasRemaining()) {
            buffer.put((byte) value);
        }
        guest.write(buffer.flip(), offset);
    }

    private ByteBuffer read(long offset) throws IOException {
        guest.read(buffer.clear(), offset);
        return buffer.flip();
    }

    /* ---- marks ---- */

    @Test
    void shouldTakeWritesBackOverTheControlChannel() throws IOException {
        byte[] before = Files.readAllBytes(image);
        try (DiskClient client = DiskClient.connect(socket)) {
            assertEquals(5, client.mark(5));
            write(8192, 1);
            guest.request(Nbd.WRITE_ZEROES, 0, 100_000, 300_000);
            client.mark(6);
            write(8192, 2);

            assertEquals("5,6", client.status().get("marks"));
            client.drop(6);
            assertTrue(client.rollback(5) > 1);
        }
        assertArrayEquals(before, Files.readAllBytes(image));
    }

    @Test
    void shouldCollectAnswersInTheOrderOfRequests() {
        try (DiskClient client = DiskClient.connect(socket)) {
            client.sendMark(1);
            client.sendMark(2);
            client.sendDrop(1);
            assertEquals(1, client.awaitMark());
            assertEquals(1, client.awaitMark());
            client.awaitDrop();
            assertEquals("2", client.status().get("marks"));
        }
    }

    @Test
    void shouldRefuseWhatCannotBeDoneAndGoOn() {
        try (DiskClient client = DiskClient.connect(socket)) {
            client.mark(5);
            assertRefused("greater than the newest one", () -> client.mark(5));
            assertRefused("mark 4 is not kept; kept are [5]", () -> client.rollback(4));
            assertRefused("never set", () -> client.drop(6));
            assertRefused("not on a disk", () -> client.injectReadError(DISK_BYTES, 1, 1));
            client.drop(4);
            assertEquals("5", client.status().get("marks"));
        }
    }

    private static void assertRefused(String why, Executable request) {
        BackstepException refusal = assertThrows(BackstepException.class, request);
        assertEquals(Reason.REFUSED, refusal.reason());
        assertTrue(refusal.getMessage().contains(why), refusal.getMessage());
    }

    @Test
    void shouldDropMarksWhenTheirOwnerEnds() throws IOException {
        try (DiskClient other = DiskClient.connect(socket)) {
            try (DiskClient owner = DiskClient.connect(socket)) {
                owner.mark(1);
                assertRefused("another client owns the marks", () -> other.mark(2));
            }
            while (!other.status().get("marks").isEmpty()) {
                Thread.onSpinWait();
            }
            assertEquals(1, other.mark(1));
        }
        write(0, 1);
        assertEquals(1, read(0).get(0));
    }

    @Test
    void shouldSayThatNobodyServes() {
        BackstepException gone =
                assertThrows(BackstepException.class, () -> DiskClient.connect(directory.resolve("nothing")));
        assertEquals(Reason.GONE, gone.reason());
    }

    @Test
    void shouldSayThatTheServerHasEnded() throws IOException {
        try (DiskClient client = DiskClient.connect(socket)) {
            client.mark(1);
            server.close();
            assertEquals(Reason.GONE, assertThrows(BackstepException.class, () -> client.mark(2)).reason());
        }
    }

    /* ---- faults ---- */

    @Test
    void shouldFailReadsAsOftenAsAskedAndOnlyInTheRange() throws IOException {
        try (DiskClient client = DiskClient.connect(socket)) {
            client.injectReadError(10_000, 1, 2);
            read(4096);
            assertThrows(IOException.class, () -> read(8192));
            assertThrows(IOException.class, () -> read(8192));
            read(8192);
            assertEquals("2", client.status().get("faults"));
        }
    }

    @Test
    void shouldInvertOneBitOfAReadAndNotOfTheImage() throws IOException {
        byte[] before = Files.readAllBytes(image);
        try (DiskClient client = DiskClient.connect(socket)) {
            client.injectCorruptRead(4096 + 100, 50, 1, 7);
            int bits = 0;
            ByteBuffer content = read(4096);
            for (int at = 0; at < Blocks.BYTES; at++) {
                int difference = (content.get(at) ^ before[4096 + at]) & 0xff;
                assertTrue(difference == 0 || at >= 100 && at < 150, "byte " + at);
                bits += Integer.bitCount(difference);
            }
            assertEquals(1, bits);
            assertEquals(-1, read(4096).mismatch(ByteBuffer.wrap(before, 4096, Blocks.BYTES)));
            client.injectReadError(0, DISK_BYTES, 9);
            client.clearFaults();
            read(0);
        }
        assertArrayEquals(before, Files.readAllBytes(image));
    }

    /* ---- the image ---- */

    @Test
    void shouldRefuseSocketThatIsServedAlready() {
        assertThrows(BackstepException.class, () -> ListeningSocket.open(socket, channel -> { }));
    }

    @Test
    void shouldRefuseRequestsThatLeaveTheDisk() throws IOException {
        assertThrows(IOException.class, () -> write(DISK_BYTES - 1, 1));
        assertThrows(IOException.class, () -> read(DISK_BYTES));
        assertThrows(IOException.class, () -> read(-1));
        assertThrows(IOException.class, () -> guest.request(Nbd.TRIM, 0, 4096, DISK_BYTES));
        assertThrows(IOException.class, () -> guest.request(99, 0, 0, 0));
        assertThrows(IOException.class, () -> guest.request(Nbd.FLUSH, 64, 0, 0));
        read(DISK_BYTES - 4096);
        assertEquals(DISK_BYTES, Files.size(image));
    }

    /* ---- who does not speak the language ---- */

    @Test
    void shouldLiveOnWhateverComesInsteadOfAHandshake() throws IOException {
        long seed = Long.getLong("backstep.seed", System.nanoTime());
        SplittableRandom random = new SplittableRandom(seed);
        for (int round = 0; round < 100; round++) {
            byte[] bytes = new byte[random.nextInt(1, 200)];
            random.nextBytes(bytes);
            if (random.nextBoolean()) {
                byte[] good = goodOptions(random);
                System.arraycopy(good, 0, bytes, 0, Math.min(Math.min(bytes.length, good.length), random.nextInt(1, 40)));
            }
            sendAndAwaitEnd(bytes, "seed " + seed);
        }
        read(0);
    }

    @Test
    void shouldLiveOnWhateverComesInsteadOfRequests() throws IOException {
        long seed = Long.getLong("backstep.seed", System.nanoTime());
        SplittableRandom random = new SplittableRandom(seed);
        byte[] before = Files.readAllBytes(image);
        for (int round = 0; round < 300; round++) {
            ByteBuffer bytes = ByteBuffer.allocate(600).put(goodOptions(random));
            while (bytes.remaining() >= 2 * Nbd.REQUEST_BYTES) {
                bytes.putInt(random.nextInt(8) == 0 ? random.nextInt() : Nbd.REQUEST_MAGIC)
                        .putShort((short) (random.nextBoolean() ? 0 : random.nextInt()))
                        // anything but what would write: of those only what lies outside of the disk
                        .putShort((short) (random.nextBoolean() ? Nbd.READ : random.nextInt(7, 1 << 16)))
                        .putLong(random.nextLong())
                        .putLong(random.nextBoolean() ? random.nextInt(DISK_BYTES) : random.nextLong())
                        .putInt(random.nextBoolean() ? random.nextInt(DISK_BYTES) : random.nextInt());
                if (random.nextInt(4) == 0) {
                    bytes.putInt(Nbd.REQUEST_MAGIC).putShort((short) 0).putShort((short) Nbd.WRITE).putLong(1)
                            .putLong(DISK_BYTES - 4L).putInt(random.nextInt(5, Integer.MAX_VALUE));
                }
            }
            sendAndAwaitEnd(Arrays.copyOf(bytes.array(), bytes.position()), "seed " + seed);
        }
        read(0);
        assertArrayEquals(before, Files.readAllBytes(image));
    }

    /** What a client sends to choose the disk. */
    private static byte[] goodOptions(SplittableRandom random) {
        ByteBuffer options = ByteBuffer.allocate(64).putInt(Nbd.FIXED_NEWSTYLE | Nbd.NO_ZEROES);
        if (random.nextBoolean()) {
            options.putLong(Nbd.OPTION_MAGIC).putInt(Nbd.OPTION_STRUCTURED_REPLY).putInt(0);
        }
        options.putLong(Nbd.OPTION_MAGIC).putInt(Nbd.OPTION_GO).putInt(6).putInt(0).putShort((short) 0);
        return Arrays.copyOf(options.array(), options.position());
    }

    private void sendAndAwaitEnd(byte[] bytes, String seed) {
        try (SocketChannel client = SocketChannel.open(UnixDomainSocketAddress.of(socket))) {
            client.write(ByteBuffer.wrap(bytes));
            client.shutdownOutput();
            ByteBuffer sink = ByteBuffer.allocate(1 << 16);
            while (client.read(sink) >= 0) {
                sink.clear();
            }
        } catch (IOException e) {
            String told = String.valueOf(e.getMessage());
            assertTrue(told.contains("reset") || told.contains("Broken pipe"), told + ", " + seed);
        }
    }

    @Test
    void shouldAnswerOrEndWhateverComesAtTheControlChannel() throws IOException {
        Path control = directory.resolve("socket.ctl");
        for (String line : List.of("", " ", "mark", "mark x", "mark -1", "mark 1 2", "mark 99999999999999999999", "drop",
                "rollback", "rollback x", "status now", "inject", "inject x", "inject read-error", "inject read-error 1",
                "inject read-error 1..", "inject read-error 0..0", "inject read-error 0..1 count=0",
                "inject read-error 0..1 seed=1", "inject corrupt-read 0..1 seed=1 seed=1", "inject jump 0..1",
                "clear-faults all", "\u0000\u00ff", "MARK 1")) {
            try (SocketChannel client = SocketChannel.open(UnixDomainSocketAddress.of(control))) {
                client.write(ByteBuffer.wrap((line + "\n").getBytes(StandardCharsets.ISO_8859_1)));
                ByteBuffer reply = ByteBuffer.allocate(1000);
                client.read(reply);
                String text = new String(reply.array(), 0, reply.position(), StandardCharsets.US_ASCII);
                assertTrue(text.startsWith("error ") && text.endsWith("\n"), line + ": " + text);
            }
        }
        try (SocketChannel client = SocketChannel.open(UnixDomainSocketAddress.of(control))) {
            client.write(ByteBuffer.wrap(new byte[5000]));
            assertEquals(-1, client.read(ByteBuffer.allocate(10)));
        } catch (IOException e) {
            assertTrue(String.valueOf(e.getMessage()).matches(".*(reset|Broken pipe).*"), e.getMessage());
        }
        try (DiskClient client = DiskClient.connect(socket)) {
            client.mark(1);
        }
    }
}
