// SPDX-License-Identifier: Apache-2.0
package io.backstep.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;

import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;

/**
 * Kills backstep at any moment, as the kernel does when memory runs out: the program runs on, and all of its output arrives once.
 * A program may be missing that was not yet started. Two moments are bad, and counted: while the program makes a call that is not
 * its own, before protection has begun, a kill may end it; half-way through a rollback it does.
 */
@Timeout(value = 10, unit = TimeUnit.MINUTES)
class KillIT {
    private static final int KILLS = Integer.getInteger("backstep.kills", 100);
    private static final int AT_ONCE = 2;
    private static final int LATEST_MS = 600;
    private static final int IN_ROLLBACK_PERCENT = 15; // a third of the kills come while one rollback follows the other
    private static final int IN_CALL_PERCENT = 6; // on a machine so busy that a program waits milliseconds for each step

    private static long seed;

    @RegisterExtension
    final Sandbox sandbox = new Sandbox();

    private final AtomicInteger next = new AtomicInteger();
    private final AtomicInteger beforeStart = new AtomicInteger();
    private final AtomicInteger tooLate = new AtomicInteger();
    private final AtomicInteger inRollback = new AtomicInteger();
    private final AtomicInteger inCall = new AtomicInteger();
    private final List<String> failures = Collections.synchronizedList(new ArrayList<>());

    @BeforeAll
    static void chooseSeed() {
        seed = Seed.of(KillIT.class);
    }

    @Test
    void shouldLeaveProgramUnharmedWheneverBackstepIsKilled() {
        sandbox.letSocketsStay();
        List<CompletableFuture<Void>> workers = new ArrayList<>();
        for (int i = 0; i < AT_ONCE; i++) {
            workers.add(CompletableFuture.runAsync(this::killSome));
        }
        CompletableFuture.allOf(workers.toArray(new CompletableFuture<?>[0])).join();
        System.out.println("KillIT: " + KILLS + " kills, " + beforeStart + " before the program was started, " + tooLate
                + " after its end, " + inRollback + " in a rollback, " + inCall + " in a call before protection, " + failures.size() + " harmed the program");
        assertEquals(List.of(), failures);
        assertTrue(inCall.get() <= KILLS * IN_CALL_PERCENT / 100, inCall + " kills in a call before protection");
        assertTrue(inRollback.get() <= KILLS * IN_ROLLBACK_PERCENT / 100, inRollback + " kills in a rollback");
        assertTrue(beforeStart.get() + tooLate.get() < KILLS * 3 / 4, "too few kills hit a protection");
    }

    private void killSome() {
        for (int index; (index = next.getAndIncrement()) < KILLS;) {
            Try attempt = new Try(index);
            try {
                attempt.run();
            } catch (IOException | AssertionError e) {
                failures.add(attempt + ": " + e);
            }
        }
    }

    /** One program and one kill. All is chosen from the seed and the number of the try. */
    private final class Try {
        private final int index;
        private final boolean attached;
        private final boolean rollsBack;
        private final boolean toPipe;
        private final boolean appended;
        private final String capture;
        private final int delayMs;
        private final String name;
        private final Path written;
        private final Path alone;
        private int target;
        private boolean isTooLate;

        Try(int index) {
            this.index = index;
            SplittableRandom random = Seed.random(seed, index);
            attached = random.nextInt(3) == 0;
            rollsBack = random.nextInt(3) == 0;
            toPipe = random.nextBoolean();
            appended = random.nextBoolean();
            delayMs = random.nextInt(LATEST_MS);
            // Nobody holds the output of an attached program back: one that writes all the time would repeat itself.
            List<String> names = List.of("writers", "threads", "files", "server");
            name = names.get(random.nextInt(attached && rollsBack ? 2 : 4));
            capture = random.nextInt(5) < 2 ? "cow" : "copy";
            written = sandbox.file(index + ".written");
            alone = sandbox.file("alone");
        }

        private Victim victim(Path file) {
            int steps = name.equals("server") ? 1800 : 900;
            return name.equals("files") ? Victim.of(name, 9, steps, file) : Victim.of(name, 9, steps);
        }

        private Invocation withOutput(Invocation invocation) {
            return toPipe ? invocation.pipeOut() : appended ? invocation.appendTo(sandbox.file(index + ".appended")) : invocation;
        }

        void run() throws IOException {
            Launch program;
            Launch backstep;
            if (attached) {
                program = withOutput(sandbox.command(victim(written).words())).start();
                target = program.pid();
                backstep = sandbox.backstep("attach", "--interval", "10ms", "--capture", capture, Integer.toString(target)).start();
            } else {
                program = withOutput(sandbox.run(List.of("--interval", "10ms", "--capture", capture), victim(written).command())).start();
                backstep = program;
            }
            CompletableFuture<byte[]> piped = toPipe ? CompletableFuture.supplyAsync(() -> drain(program)) : null;
            if (rollsBack) {
                killWhileRollingBack(backstep);
            } else {
                backstep.pid();
                Await.pause(delayMs);
                isTooLate = backstep.hasEnded();
                backstep.kill();
            }
            if (!attached) {
                target = findTarget(program);
            }
            backstep.awaitAll();
            program.awaitAll();
            isTooLate |= backstep.status() != 128 + 9;
            tooLate.addAndGet(isTooLate ? 1 : 0);
            judge(program, toPipe ? piped.join() : program.outBytes());
        }

        /** One rollback after the other, until nobody answers any more. Between two the program gets on a little. */
        private void killWhileRollingBack(Launch backstep) {
            if (!attached) {
                target = sandbox.awaitTarget(backstep);
            }
            Await.until("protection has begun", () -> Files.exists(sandbox.socketOf(target)) || backstep.hasEnded());
            if (backstep.hasEnded()) {
                return;
            }
            try (Ctl ctl = new Ctl(sandbox.socketOf(target))) {
                CompletableFuture.runAsync(backstep::kill,
                        CompletableFuture.delayedExecutor(delayMs / 2, TimeUnit.MILLISECONDS));
                for (Json reply; (reply = ctl.askOrNull(Ctl.request("checkpoint"))) != null;) {
                    if (Boolean.TRUE.equals(reply.at("ok"))) {
                        ctl.askOrNull(Ctl.rollbackTo((long) reply.number("checkpoint")));
                    }
                }
            }
        }

        /** The program's process; 0 if there is none and never will be. What is still a copy of the JVM may turn into it. */
        private int findTarget(Launch program) {
            return target != 0 ? target : Await.value("the program runs or never will", () -> {
                int unclear = 0;
                for (int pid : Proc.descendants(program.reaperPid())) {
                    String runs = Proc.program(pid);
                    if (runs.equals(name)) {
                        return pid;
                    }
                    unclear += runs.equals("java") ? 1 : 0;
                }
                return unclear == 0 ? 0 : null;
            });
        }

        private byte[] drain(Launch program) {
            try (ByteArrayOutputStream bytes = new ByteArrayOutputStream()) {
                program.outPipe().transferTo(bytes);
                return bytes.toByteArray();
            } catch (IOException e) {
                return new byte[0];
            }
        }

        /** A program that backstep started and outlived leaves its status there; if backstep was killed just then, nowhere. */
        private int statusOfTarget(Launch program) {
            Integer waitStatus = program.ended().get(target);
            if (waitStatus != null) {
                return Launch.shellStatus(waitStatus);
            }
            return program.status() == 128 + 9 ? 0 : program.status();
        }

        private void judge(Launch program, byte[] output) throws IOException {
            if (target == 0 && !isTooLate) {
                beforeStart.incrementAndGet();
                return;
            }
            byte[] expected = victim(alone).undisturbed();
            int status = statusOfTarget(program);
            if (status > 128 && !Files.exists(sandbox.socketOf(target))) {
                inCall.incrementAndGet();
                System.out.println("KillIT: " + this + ": ended with " + status + " before protection");
                return;
            }
            String harm = null;
            if (rollsBack && status == 128 + 9) { // half rolled back, so it must not run on; but what came out was right
                inRollback.incrementAndGet();
                int length = Math.min(output.length, expected.length);
                harm = Arrays.equals(output, Arrays.copyOf(expected, length)) ? null : "wrote something else before its end";
            } else if (status != 0) {
                harm = "ended with " + status;
            } else if (!Arrays.equals(expected, output)) {
                harm = "wrote " + output.length + " bytes instead of " + expected.length;
            } else if (name.equals("files") && Files.mismatch(written, alone) >= 0) {
                harm = "left a wrong file";
            }
            if (harm != null) {
                failures.add(this + ": " + harm + "; " + program.err().lines().limit(3).toList());
            }
        }

        @Override
        public String toString() {
            return "try " + index + " (" + (attached ? "attach " : "run ") + name + ", " + capture + ", kill after " + delayMs + " ms"
                    + (rollsBack ? " of rollbacks" : "") + ", output to " + (toPipe ? "a pipe" : appended ? "the end of a file" : "a file") + ")";
        }
    }
}
