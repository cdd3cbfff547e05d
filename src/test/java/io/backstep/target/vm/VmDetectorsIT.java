// SPDX-License-Identifier: Apache-2.0
package io.backstep.target.vm;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Path;
import java.util.Set;
import java.util.concurrent.TimeUnit;

import io.backstep.Backstep;
import io.backstep.engine.DetectionRecord;
import io.backstep.retain.ErrorLatency;
import io.backstep.retain.KeepCoverage;
import io.backstep.retain.KeepSpan;
import io.backstep.vm.GuestVm;
import io.backstep.vm.ProtectedVm;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Each detector notices its error, and the machine gets on after a rollback. */
@Timeout(value = 5, unit = TimeUnit.MINUTES)
class VmDetectorsIT {
    private static final long HANG_AFTER_NS = 1_000_000_000L;

    private static ProtectedVm protect(GuestVm guest, VmOptions options) {
        return ProtectedVm.of(new Backstep.Context().machine(guest.qmpSocket(), options)
                .retention(new KeepSpan(4 * HANG_AFTER_NS)));
    }

    private static VmOptions only(Detector... detectors) {
        return VmOptions.DEFAULT.withDetectors(Set.of(detectors));
    }

    private static void awaitRecovery(GuestVm guest, ProtectedVm vm, String detector) {
        DetectionRecord first = vm.await(DetectionRecord.class, 1).get(0);
        assertEquals(detector, first.detector());
        long beats = guest.beats().size();
        try {
            while (guest.beats().size() < beats + 3) {
                guest.awaitBeat();
            }
        } catch (AssertionError e) {
            throw new AssertionError(e.getMessage() + "; told was " + vm.all(Object.class), e);
        }
    }

    @Test
    void shouldNoticeAPanic() {
        try (GuestVm guest = GuestVm.setup().noDisk().start()) {
            guest.awaitUp();
            try (ProtectedVm vm = protect(guest, only(Detector.PANIC))) {
                guest.command("panic");
                awaitRecovery(guest, vm, "panic");
            }
        }
    }

    @Test
    void shouldNoticeAWatchdog() {
        try (GuestVm guest = GuestVm.setup().noDisk().watchdog().start()) {
            guest.awaitUp();
            try (ProtectedVm vm = ProtectedVm.of(new Backstep.Context()
                    .machine(guest.qmpSocket(), only(Detector.WATCHDOG)).retention(KeepCoverage.ofFew(
                            ErrorLatency.parse("uniform:3500ms..5s"), 0.99, Backstep.Context.INTERVAL_NS_DEFAULT)))) {
                guest.awaitBeat();
                guest.command("hang");
                awaitRecovery(guest, vm, "watchdog");
            }
        }
    }

    @Test
    void shouldNoticeAReset() {
        try (GuestVm guest = GuestVm.setup().noDisk().option("-no-reboot").start()) {
            guest.awaitUp();
            try (ProtectedVm vm = protect(guest, only(Detector.RESET))) {
                // Without machine checks, which its kernel does not know, this is a triple fault.
                guest.qmp("{\"execute\": \"human-monitor-command\", \"arguments\": "
                        + "{\"command-line\": \"mce 0 1 0xb60000000000009f 4 0 0\"}}");
                awaitRecovery(guest, vm, "reset");
            }
        }
    }

    @Test
    void shouldNoticeThatTheHeartbeatStaysAway() throws IOException {
        try (GuestVm guest = GuestVm.setup().noDisk().start(); Relay relay = new Relay(guest)) {
            guest.awaitUp();
            guest.awaitBeat();
            try (ProtectedVm vm = protect(guest, only().withHeartbeat(relay.socket, HANG_AFTER_NS))) {
                relay.awaitPassed();
                guest.command("hang");
                awaitRecovery(guest, vm, "heartbeat");
                // Some twenty checkpoints were taken while it hung; only those are tried that may be older than the hang.
                assertTrue(vm.all(DetectionRecord.class).size() < 10, () -> "told " + vm.all(DetectionRecord.class));
            }
        }
    }

    /** Passes the guest's beats on to one who listens at a socket. */
    private static final class Relay implements AutoCloseable {
        private final Path socket;
        private final ServerSocketChannel server = ServerSocketChannel.open(StandardProtocolFamily.UNIX);
        private final Thread thread;
        private final java.util.concurrent.CountDownLatch passed = new java.util.concurrent.CountDownLatch(3);

        Relay(GuestVm guest) throws IOException {
            socket = guest.directory().resolve("relay.sock");
            server.bind(UnixDomainSocketAddress.of(socket));
            thread = new Thread(() -> pass(guest), "relays heartbeats");
            thread.setDaemon(true);
            thread.start();
        }

        private void pass(GuestVm guest) {
            try (SocketChannel listener = server.accept()) {
                for (int count = guest.beats().size(); !Thread.interrupted();) {
                    int now = guest.beats().size();
                    if (now > count) {
                        listener.write(ByteBuffer.wrap(new byte[now - count]));
                        count = now;
                        passed.countDown();
                    }
                    Thread.sleep(5);
                }
            } catch (IOException | InterruptedException e) {
                // the listener has gone, or the test has ended
            }
        }

        void awaitPassed() {
            try {
                assertTrue(passed.await(30, TimeUnit.SECONDS), "beats");
            } catch (InterruptedException e) {
                throw new AssertionError(e);
            }
        }

        @Override
        public void close() throws IOException {
            thread.interrupt();
            server.close();
        }
    }
}
