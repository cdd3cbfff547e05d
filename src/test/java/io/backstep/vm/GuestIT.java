// SPDX-License-Identifier: Apache-2.0
package io.backstep.vm;

import static java.nio.file.StandardOpenOption.READ;
import static java.nio.file.StandardOpenOption.WRITE;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.net.DatagramPacket;
import java.net.DatagramSocket;
import java.net.InetAddress;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.stream.LongStream;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What other tests take for granted of the guest. */
@Timeout(value = 5, unit = TimeUnit.MINUTES)
class GuestIT {
    // The result depends on nothing else, so it is the same in every run, everywhere.
    private static final Object[] SHORT = {7, 300, 4, 50};
    private static final String RESULT_OF_SHORT = "f0738eb709693a08";

    @ParameterizedTest
    @ValueSource(strings = {"pc", "q35", "microvm"})
    void shouldComputeTheSameOnEveryMachineAndTellOfPanic(String machine) {
        long startNs = System.nanoTime();
        GuestSetup setup = GuestVm.setup().machine(machine).victim("compute", SHORT);
        try (GuestVm guest = (machine.equals("q35") ? setup.sharedMemory().cpus(2) : setup).start()) {
            double up = guest.awaitUp();
            System.out.printf("GuestIT: %s is up after %.1f s, by its own clock %.1f s%n", machine, (System.nanoTime() - startNs) / 1e9, up);
            for (int step = 50; step <= 300; step += 50) {
                guest.awaitLine("step " + step + " digest [0-9a-f]{16}");
            }
            assertEquals(RESULT_OF_SHORT, guest.awaitResult());
            guest.command("panic");
            assertEquals("pause", guest.awaitEvent("GUEST_PANICKED").text("data.action"));
        }
    }

    @Test
    void shouldPanicWhenBitFlipsInMemory() throws IOException {
        try (GuestVm guest = GuestVm.setup().sharedMemory().victim("compute", 5, 1_000_000, 1).start()) {
            guest.awaitLine("step 100 .*");
            guest.qmp("{\"execute\": \"stop\"}");
            flipBit(guest.memory(), offsetOfInvertedPage(guest.memory()));
            guest.qmp("{\"execute\": \"cont\"}");
            guest.awaitLine("inconsistent: compute: page .*");
            guest.awaitEvent("GUEST_PANICKED");
        }
    }

    @Test
    void shouldPanicWhenBitFlipsOnDisk() throws IOException {
        long seed = 0x5eed_0f_d15cL;
        try (GuestVm guest = GuestVm.setup().victim("compute", seed, 1_000_000, 1).start()) {
            guest.awaitLine("step 1000 .*");
            guest.qmp("{\"execute\": \"stop\"}");
            Path disk = guest.directory().resolve("disk.img");
            flipBit(disk, offsetOfRecord(disk, seed));
            guest.qmp("{\"execute\": \"cont\"}");
            guest.awaitLine("inconsistent: compute: record .*");
            guest.awaitEvent("GUEST_PANICKED");
        }
    }

    private static void flipBit(Path file, long offset) throws IOException {
        try (FileChannel channel = FileChannel.open(file, READ, WRITE)) {
            ByteBuffer one = ByteBuffer.allocate(1);
            channel.read(one, offset);
            channel.write(one.put(0, (byte) (one.get(0) ^ 4)).rewind(), offset);
        }
    }

    /** Somewhere in a page of the victim's: one that looks random, and has another page's bits, all inverted. */
    private static long offsetOfInvertedPage(Path memory) throws IOException {
        Map<Long, Long> offsets = new HashMap<>();
        return find(memory, (page, offset) -> {
            long word = page.getLong(8);
            if (Math.abs(Long.bitCount(word) - 32) > 16 || Math.abs(Long.bitCount(page.getLong(16)) - 32) > 16) {
                return -1;
            }
            Long other = offsets.get(~word);
            offsets.put(word, offset);
            return other != null ? offset + 1234 : -1;
        });
    }

    /** Somewhere in the victim's newest record: it is read once more before it is overwritten. */
    private static long offsetOfRecord(Path disk, long seed) throws IOException {
        long[] newest = {-1, -1};
        find(disk, (page, offset) -> {
            if (page.getLong(0) == seed && page.getLong(8) > newest[0]) {
                newest[0] = page.getLong(8);
                newest[1] = offset + 1234;
            }
            return -1;
        });
        return newest[1];
    }

    /** What is found first in the pages of a file, or -1. */
    private static long find(Path file, PageSearch search) throws IOException {
        ByteBuffer page = ByteBuffer.allocate(4096).order(ByteOrder.LITTLE_ENDIAN);
        try (FileChannel channel = FileChannel.open(file)) {
            for (long offset = 0; channel.read(page.clear(), offset) == page.capacity(); offset += page.capacity()) {
                long found = search.found(page, offset);
                if (found >= 0) {
                    return found;
                }
            }
        }
        return -1;
    }

    private interface PageSearch {
        long found(ByteBuffer page, long offset);
    }

    @Test
    void shouldTakeWatchdogsTimeWhenItHangs() {
        try (GuestVm guest = GuestVm.setup().cpus(2).watchdog().victim("compute", 1, 1_000_000).start()) {
            guest.awaitLine("step 100 .*");
            long beat = guest.awaitBeat();
            assertEquals(beat + 1, guest.awaitBeat());
            guest.command("hang");
            assertEquals("none", guest.awaitEvent("WATCHDOG").text("data.action"));
            assertSwitchedOff(guest, 0);
            assertSwitchedOff(guest, 1);
        }
    }

    /** No processor hears interrupts any more. */
    private static void assertSwitchedOff(GuestVm guest, int cpu) {
        String controller = guest.qmp("{\"execute\": \"human-monitor-command\", \"arguments\": {\"cpu-index\": " + cpu
                + ", \"command-line\": \"info lapic\"}}").text("return");
        assertTrue(controller.contains("APIC disabled"), controller);
    }

    @Test
    void shouldUseDiskAndNetworkAndSwitchOff() throws Exception {
        try (DatagramSocket wire = new DatagramSocket(0, InetAddress.getLoopbackAddress());
                GuestVm guest = GuestVm.setup().netdev(connectedTo(wire)).victim("compute", SHORT).start()) {
            assertEquals(RESULT_OF_SHORT, guest.awaitResult());
            assertEquals(LongStream.range(0, 30).boxed().toList(), numbersOfPackets(wire, 30));
            guest.command("run fsload 3 60 2");
            String files = guest.awaitResult();
            guest.command("run fsload 3 60 2");
            assertEquals(files, guest.awaitResult());
            guest.command("run memload 4 8 1");
            guest.awaitLine("memload 1 s 1024 pages");
            guest.awaitResult();
            guest.command("run bzip2 2000");
            String compressed = guest.awaitResult();
            assertEquals(32, compressed.length());
            guest.command("run fsload 3 100000 3");
            guest.awaitLine("fsload 0 step 50");
            guest.command("check");
            assertEquals(0, new ProcessBuilder("/sbin/e2fsck", "-fn", guest.directory().resolve("disk.img").toString())
                    .redirectErrorStream(true).redirectOutput(guest.directory().resolve("e2fsck").toFile()).start().waitFor());
            guest.command("poweroff");
            assertEquals(0, guest.awaitEnd());
        }
    }

    private static String connectedTo(DatagramSocket wire) {
        return "dgram,local.type=inet,local.host=127.0.0.1,local.port=0,remote.type=inet,remote.host=127.0.0.1,remote.port="
                + wire.getLocalPort();
    }

    /** Of the victim's packets among the frames on the wire, in their order. */
    private static List<Long> numbersOfPackets(DatagramSocket wire, int count) throws IOException {
        List<Long> numbers = new ArrayList<>();
        wire.setSoTimeout((int) Duration.ofSeconds(5).toMillis());
        while (numbers.size() < count) {
            DatagramPacket frame = new DatagramPacket(new byte[2048], 2048);
            wire.receive(frame);
            String text = new String(frame.getData(), 0, frame.getLength(), StandardCharsets.ISO_8859_1);
            int at = text.indexOf("backstep ");
            if (at >= 0) {
                numbers.add(Long.valueOf(text.substring(at).split(" ")[2]));
            }
        }
        return numbers;
    }
}
