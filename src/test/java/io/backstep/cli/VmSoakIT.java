// SPDX-License-Identifier: Apache-2.0
package io.backstep.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.Stream;

import io.backstep.vm.GuestVm;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/**
 * Guests under protection for long: {@code -Dbackstep.vm.rollbacks=N} and {@code -Dbackstep.vm.errors=N} are how long,
 * {@code -Dbackstep.vm.guests=N} how many guests there are at a time while errors are brought.
 */
@Tag("soak")
class VmSoakIT {
    private static final Path GUEST = Path.of(System.getProperty("backstep.guest", "target/guest")).toAbsolutePath();
    private static final int ROLLBACKS = Integer.getInteger("backstep.vm.rollbacks", 500);
    private static final int ERRORS = Integer.getInteger("backstep.vm.errors", 200);
    private static final int GUESTS_AT_A_TIME = Integer.getInteger("backstep.vm.guests", 1);
    private static final int ERRORS_PER_GUEST = 10;
    private static final int WARM_UP = 200; // until JVMs have grown and QEMU has its event descriptors
    private static final int STEPS = 4000;
    private static final int LAST_CALL = 3000; // a rollback must not take the result back
    private static final String COMPUTATION = "compute 7 4000 4 50";
    private static final String COMPUTED = "ed83d45d1a8f21da";
    private static final long GROWTH_KIB = 48 * 1024;
    private static final long FEW = 24; // threads come and go, in QEMU and in JVMs, with what they hold

    private static long seed;

    @RegisterExtension
    final Sandbox sandbox = new Sandbox();

    @BeforeAll
    static void chooseSeed() {
        seed = Seed.of(VmSoakIT.class);
    }

    /** What there is of a machine and its protection. */
    private record Holdings(Footprint qemu, Footprint backstep, List<Integer> parts, int files) {
        static Holdings of(GuestVm guest, Launch protection, Path exchange) throws IOException {
            return new Holdings(Footprint.of(guest.pid()), Footprint.of(protection.pid()), partsOf(guest),
                    filesIn(exchange).size());
        }
    }

    /** How many block nodes, character devices, jobs and objects QEMU has. */
    private static List<Integer> partsOf(GuestVm guest) {
        return Stream.of("{\"execute\": \"query-named-block-nodes\"}", "{\"execute\": \"query-chardev\"}",
                "{\"execute\": \"query-jobs\"}", "{\"execute\": \"qom-list\", \"arguments\": {\"path\": \"/objects\"}}")
                .map(question -> guest.qmp(question).list("return").size()).toList();
    }

    private static List<Path> filesIn(Path directory) throws IOException {
        try (Stream<Path> paths = Files.walk(directory)) {
            return paths.filter(path -> !Files.isDirectory(path)).toList();
        }
    }

    @Test
    void shouldNeitherErrNorGrowThroughManyRollbacks() throws Exception {
        SplittableRandom random = Seed.random(seed, 0);
        Path exchange = Files.createTempDirectory(Path.of("/dev/shm"), "backstep-soak-");
        Path image = Files.copy(GUEST.resolve("disk.img"), sandbox.file("disk.img"));
        Path socket = sandbox.file("disk.sock");
        Launch server = sandbox.backstep("disk", "--format", "raw", "--socket", socket.toString(), image.toString()).start();
        Await.until("the disk is served", () -> Files.exists(socket));
        try (GuestVm guest = GuestVm.setup().sharedMemory().disk("nbd:unix:" + socket, "raw").victim(COMPUTATION).start()) {
            guest.awaitLine("step 50 .*");
            List<Integer> untouched = partsOf(guest);
            Launch protection = sandbox.backstep("vm", "--qmp", guest.qmpSocket().toString(), "--keep", "40",
                    "--exchange", exchange.toString()).start();
            sandbox.awaitProtected(guest.pid(), protection);
            Ctl ctl = sandbox.ctl(guest.pid());

            Holdings before = null;
            int runs = 1;
            for (int i = 0; i < WARM_UP + ROLLBACKS; i++) {
                if (i == WARM_UP) {
                    before = Holdings.of(guest, protection, exchange);
                }
                if (step(guest) >= LAST_CALL) {
                    assertEquals(COMPUTED, guest.awaitResult());
                    guest.command("run " + COMPUTATION);
                    guest.awaitLine("step 50 .*");
                    runs++;
                }
                Await.pause(random.nextLong(20, 150));
                long checkpoint = (long) ctl.granted("checkpoint").number("checkpoint");
                Await.pause(random.nextLong(0, 90));
                protection.requireAlive();
                Json reply = ctl.ask(Ctl.rollbackTo(checkpoint));
                assertEquals(Boolean.TRUE, reply.at("ok"), reply.toString());
            }
            Holdings after = Holdings.of(guest, protection, exchange);
            System.out.println("VmSoakIT: " + ROLLBACKS + " rollbacks in " + runs + " runs\n  before " + before
                    + "\n  after  " + after);

            assertEquals(COMPUTED, guest.awaitResult());
            ctl.granted("detach");
            assertEquals(0, protection.status(), protection.describe());
            assertEquals(untouched, partsOf(guest));
            assertEquals(List.of(), filesIn(exchange));
            guest.command("check"); // unmounts
            assertEquals(List.of(), guest.console().stream().filter(line -> line.contains("inconsistent")).toList());
            requireNoGrowth("QEMU", before.qemu, after.qemu);
            requireNoGrowth("backstep", before.backstep, after.backstep);
            assertEquals(before.parts, after.parts);
            assertEquals(before.files, after.files);
        } finally {
            for (Path left : filesIn(exchange)) {
                Files.delete(left);
            }
            Files.delete(exchange);
        }
        server.signal("TERM");
        assertEquals(0, server.status(), server.describe());
        assertEquals(0, sandbox.command("e2fsck", "-fn", image.toString()).start().status());
    }

    /** Of the run that is going on: steps that rollbacks took back may be told again. */
    private static int step(GuestVm guest) {
        List<String> lines = guest.console();
        for (int i = lines.size() - 1; i >= 0; i--) {
            if (lines.get(i).matches("step \\d{1,4} digest [0-9a-f]{16}")) {
                return Math.min(STEPS, Integer.parseInt(lines.get(i).split(" ")[1]));
            }
            if (lines.get(i).startsWith("result")) {
                return 0;
            }
        }
        return 0;
    }

    private static void requireNoGrowth(String who, Footprint before, Footprint after) {
        String told = who + ": " + before + ", then " + after;
        assertTrue(after.dataKib() <= before.dataKib() + GROWTH_KIB, told);
        assertTrue(after.descriptors() <= before.descriptors() + FEW, told);
        assertTrue(after.mappings() <= before.mappings() + FEW, told);
    }

    @Test
    void shouldComeToTheRightResultWheneverAnErrorIsWithinReach() throws Exception {
        List<TroubledGuest.Trouble> troubles = new ArrayList<>();
        ExecutorService guests = Executors.newFixedThreadPool(GUESTS_AT_A_TIME);
        try {
            for (int boot = 0; troubles.size() < ERRORS; boot += GUESTS_AT_A_TIME) {
                List<Callable<List<TroubledGuest.Trouble>>> those = new ArrayList<>();
                for (int i = 1, left = ERRORS - troubles.size(); i <= GUESTS_AT_A_TIME && left > 0; i++, left -= ERRORS_PER_GUEST) {
                    int number = boot + i;
                    int most = Math.min(ERRORS_PER_GUEST, left);
                    those.add(() -> trouble(number, most));
                }
                for (Future<List<TroubledGuest.Trouble>> answer : guests.invokeAll(those)) {
                    troubles.addAll(answer.get());
                }
            }
        } finally {
            guests.shutdownNow();
        }
        Map<TroubledGuest.Kind, Map<TroubledGuest.Outcome, Integer>> table = new EnumMap<>(TroubledGuest.Kind.class);
        for (TroubledGuest.Trouble trouble : troubles) {
            table.computeIfAbsent(trouble.kind, kind -> new EnumMap<>(TroubledGuest.Outcome.class))
                    .merge(trouble.outcome(), 1, Integer::sum);
        }
        table.forEach((kind, outcomes) -> System.out.println("VmSoakIT: " + kind + " " + outcomes));
        assertEquals(List.of(), troubles.stream()
                .filter(trouble -> trouble.outcome() == TroubledGuest.Outcome.WRONG).map(Object::toString).toList());
    }

    private static List<TroubledGuest.Trouble> trouble(int number, int most) {
        try (TroubledGuest guest = new TroubledGuest(Seed.random(seed, number))) {
            List<TroubledGuest.Trouble> those = guest.suffer(most);
            those.forEach(trouble -> System.out.println("VmSoakIT: guest " + number + ": " + trouble));
            return those;
        }
    }
}
