// SPDX-License-Identifier: Apache-2.0
package io.backstep.target.vm;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.BufferedInputStream;
import java.io.DataInputStream;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.OptionalLong;
import java.util.concurrent.CompletionException;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

import io.backstep.Backstep;
import io.backstep.core.BackstepException;
import io.backstep.retain.KeepLast;
import io.backstep.vm.GuestVm;
import io.backstep.vm.ProtectedVm;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What is undone is never seen outside, and the rest goes out in its order. */
@Timeout(value = 5, unit = TimeUnit.MINUTES)
class VmNetworkIT {
    /** So many that it outlasts the rollbacks: one after its end would drop the last packets, which were sent before. */
    private static final int STEPS = 20_000;
    private static final Object[] VICTIM = {7, STEPS, 4, 100};
    private static final String RESULT = "903701d456d15543";
    private static final long LAST_NUMBER = STEPS / 10 - 1;
    private static final int ROLLBACKS = 8;

    private static VmOptions options(boolean holds) {
        VmOptions some = VmOptions.DEFAULT;
        return new VmOptions(0, some.exchange(), some.detectors(), false, some.hangAfterNs(), null, holds);
    }

    private static String filters(GuestVm guest) {
        String text = guest.qmp("{\"execute\": \"human-monitor-command\", \"arguments\": "
                + "{\"command-line\": \"info network\"}}").text("return");
        return text.contains("filters:") ? text : "";
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void shouldSendNothingTwiceUnlessItPasses(boolean holds) throws IOException {
        try (Wire wire = new Wire();
                GuestVm guest = GuestVm.setup().noDisk().netdev(wire.netdev()).victim("compute", VICTIM).start()) {
            guest.awaitLine("step 100 .*");
            try (ProtectedVm vm = ProtectedVm.of(new Backstep.Context().machine(guest.qmpSocket(), options(holds))
                    .retention(new KeepLast(8)))) {
                assertEquals(holds, !filters(guest).isEmpty());
                for (int done = 0, tries = 0; done < ROLLBACKS; tries++) {
                    assertTrue(tries < 5 * ROLLBACKS, "only " + done + " rollbacks");
                    done += rollBackSomeSteps(guest, vm) ? 1 : 0;
                }
                assertTrue(guest.console().stream().noneMatch(line -> line.startsWith("result ")), "it has ended");
                assertEquals(RESULT, guest.awaitResult());
            }
            assertEquals("", filters(guest), "nothing is left");
            wire.awaitNumber(LAST_NUMBER);

            List<Long> numbers = wire.numbers();
            System.out.println("VmNetworkIT: " + numbers.size() + " of " + (LAST_NUMBER + 1) + " packets, "
                    + new HashSet<>(numbers).size() + " different");
            boolean ascends = true;
            for (int i = 1; i < numbers.size(); i++) {
                ascends &= numbers.get(i - 1) < numbers.get(i);
            }
            assertEquals(holds, ascends, () -> "sent were " + numbers);
            assertTrue(numbers.size() > LAST_NUMBER / 8, () -> "sent were only " + numbers);
        }
    }

    /** False if the checkpoint was not kept for as long as the steps took. */
    private static boolean rollBackSomeSteps(GuestVm guest, ProtectedVm vm) {
        long checkpoint = vm.engine().requestCheckpoint().join();
        for (int beats = guest.beats().size(); guest.beats().size() < beats + 2;) { // one every 100 ms
            guest.awaitBeat();
        }
        try {
            vm.engine().requestRollback(OptionalLong.of(checkpoint)).join();
            return true;
        } catch (CompletionException e) {
            assertTrue(e.getMessage().contains("is not kept"), e.getMessage());
            return false;
        }
    }

    /** So that a network which QEMU cannot hold is not taken for one that is held. */
    @Test
    void shouldRefuseWhatItCannotHold() {
        try (GuestVm guest = GuestVm.setup().noDisk().start()) {
            guest.awaitUp();
            try (Monitor monitor = Monitor.connect(guest.qmpSocket())) {
                assertEquals(List.of("net0"), HeldNetwork.netdevs(monitor));
                BackstepException e = assertThrows(BackstepException.class,
                        new HeldNetwork(monitor, List.of("net0", "net1"))::setUp);
                assertEquals(BackstepException.Reason.UNFIT, e.reason());
                assertTrue(e.getMessage().startsWith("what the guest sends to the network net1 cannot be held back"),
                        e.getMessage());
            }
            assertFalse(filters(guest).contains("backstep"));
            assertFalse(guest.qmp("{\"execute\": \"query-chardev\"}").toString().contains("backstep-net"));
        }
    }

    /** The other end of the guest's network card: Ethernet frames in a stream, which loses none when many come at once. */
    private static final class Wire implements AutoCloseable {
        private static final Pattern PACKET = Pattern.compile("backstep \\d+ (\\d+) \\d+ [0-9a-f]{16}\n");

        private final ServerSocket socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress());
        private final List<Long> numbers = new ArrayList<>();
        private final Thread reader = new Thread(this::read, "reads the wire");

        Wire() throws IOException {
            reader.setDaemon(true);
            reader.start();
        }

        String netdev() {
            return "stream,server=off,addr.type=inet,addr.host=127.0.0.1,addr.port=" + socket.getLocalPort();
        }

        private void read() {
            try (Socket machine = socket.accept()) {
                DataInputStream stream = new DataInputStream(new BufferedInputStream(machine.getInputStream()));
                while (true) {
                    byte[] frame = new byte[stream.readInt()];
                    stream.readFully(frame);
                    Matcher match = PACKET.matcher(new String(frame, StandardCharsets.ISO_8859_1));
                    if (match.find()) {
                        synchronized (numbers) {
                            numbers.add(Long.parseLong(match.group(1)));
                            numbers.notifyAll();
                        }
                    }
                }
            } catch (IOException e) {
                // closed
            }
        }

        void awaitNumber(long number) {
            long deadlineNs = System.nanoTime() + TimeUnit.SECONDS.toNanos(30);
            synchronized (numbers) {
                while (!numbers.contains(number)) {
                    long leftMs = TimeUnit.NANOSECONDS.toMillis(deadlineNs - System.nanoTime());
                    assertTrue(leftMs > 0, () -> "no packet " + number + " among " + numbers);
                    try {
                        numbers.wait(leftMs);
                    } catch (InterruptedException e) {
                        throw new AssertionError(e);
                    }
                }
            }
        }

        List<Long> numbers() {
            synchronized (numbers) {
                return List.copyOf(numbers);
            }
        }

        @Override
        public void close() throws IOException {
            socket.close();
        }
    }
}
