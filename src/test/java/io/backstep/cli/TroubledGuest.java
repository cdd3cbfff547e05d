// SPDX-License-Identifier: Apache-2.0
package io.backstep.cli;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalLong;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.concurrent.CompletionException;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

import io.backstep.Backstep;
import io.backstep.core.Fault;
import io.backstep.engine.DetectionRecord;
import io.backstep.engine.RollbackRecord;
import io.backstep.inject.FaultSpec;
import io.backstep.inject.InjectionPlan;
import io.backstep.retain.KeepSpan;
import io.backstep.target.vm.Detector;
import io.backstep.target.vm.VmOptions;
import io.backstep.vm.BeatRelay;
import io.backstep.vm.GuestVm;
import io.backstep.vm.ProtectedVm;

/**
 * A guest that computes a known result and is brought one error after the other, each under a protection of its own. What
 * becomes of each is known when the guest has ended.
 */
final class TroubledGuest implements AutoCloseable {
    /** What is brought. */
    enum Kind { PANIC, HANG, CORRUPTION }

    /** What became of it. */
    enum Outcome {
        /** Nobody noticed anything, and the result is right. */
        HARMLESS,
        /** Nobody noticed anything for a while, then it was undone by request, and the result is right. */
        UNDONE,
        /** It was noticed, a rollback undid it, and the result is right. */
        RECOVERED,
        /** A rollback undid it and the guest got on; a later error, out of reach, kept it from its result. */
        OVERTAKEN,
        /** When it was noticed no checkpoint from before it was kept, and there is no right result. */
        OUT_OF_REACH,
        /** There is no right result, but no detector ever spoke. */
        UNNOTICED,
        /** A checkpoint from before it was kept when it was noticed, and there is no right result. */
        WRONG
    }

    /** An error and its outcome, which is null until it is known. */
    static final class Trouble {
        final Kind kind;
        private Outcome outcome;
        private String story = "";

        Trouble(Kind kind) {
            this.kind = kind;
        }

        Outcome outcome() {
            return outcome;
        }

        private void tell(String more) {
            story += (story.isEmpty() ? "" : "; ") + more;
        }

        @Override
        public String toString() {
            return kind + " " + outcome + ": " + story;
        }
    }

    private static final int EVERY = 500;
    private static final int STEPS = 120000;
    private static final int LAST_CALL = 90000; // later errors might not be noticed before the end
    private static final Object[] COMPUTATION = {7, STEPS, 80, EVERY};
    private static final String COMPUTED = "7a3883a22b02a429";
    private static final Duration KEPT = Duration.ofSeconds(5);
    private static final Duration HANG_AFTER = Duration.ofMillis(1500);
    private static final Duration NOTICED_WITHIN = Duration.ofSeconds(20);
    private static final Duration HARMLESS_AFTER = Duration.ofMillis(1500);
    private static final Duration STUCK_AFTER = Duration.ofSeconds(60);
    private static final double PROBATION = 1.6; // in ages of what was restored
    private static final Pattern STEP = Pattern.compile("step (\\d+) digest [0-9a-f]{16}");
    private static final Pattern RESULT = Pattern.compile("result ([0-9a-f]{16})");

    private final SplittableRandom random;
    private final GuestVm guest;
    private final BeatRelay relay;
    private final List<Trouble> troubles = new ArrayList<>();
    private ProtectedVm vm;
    private long clean; // the number of the newest checkpoint from before the error
    private double broughtMs;

    TroubledGuest(SplittableRandom random) {
        this.random = random;
        guest = GuestVm.setup().memoryMib(160).noDisk().victim("compute", COMPUTATION).start();
        relay = new BeatRelay(guest);
    }

    /** Brings so many errors, or fewer if the guest ends before, and gives them with their outcomes. */
    List<Trouble> suffer(int most) {
        guest.awaitLine("step " + EVERY + " .*");
        boolean goesOn = true;
        while (goesOn && troubles.size() < most && step() < LAST_CALL) {
            letGo();
            Trouble trouble = new Trouble(random.nextInt(2) == 0 ? Kind.CORRUPTION
                    : random.nextInt(2) == 0 ? Kind.PANIC : Kind.HANG);
            troubles.add(trouble);
            trouble.tell("at step " + step());
            goesOn = trouble.kind == Kind.CORRUPTION ? corrupt(trouble) : command(trouble);
            System.out.println("VmSoakIT: QEMU " + guest.pid() + " until now: " + trouble);
        }
        judge();
        letGo();
        return troubles;
    }

    private void protect(String... faults) {
        relay.expectListener();
        VmOptions options = VmOptions.DEFAULT.withDetectors(Set.of(Detector.PANIC, Detector.RESET))
                .withHeartbeat(relay.socket(), HANG_AFTER.toNanos());
        vm = ProtectedVm.of(new Backstep.Context().machine(guest.qmpSocket(), options)
                .faults(new InjectionPlan(List.of(faults).stream().map(FaultSpec::parse).toList()))
                .retention(new KeepSpan(KEPT.toNanos())));
    }

    private void letGo() {
        if (vm != null) {
            ProtectedVm old = vm;
            vm = null;
            old.close();
        }
    }

    /* ---- errors; each tells whether the guest can be brought more ---- */

    private boolean command(Trouble trouble) {
        protect();
        if (!Await.within(NOTICED_WITHIN, relay::hasPassed)) {
            trouble.outcome = Outcome.WRONG;
            trouble.tell("no heartbeat reaches its listener; " + beats() + "; " + guest.beatCount() + relay + tail());
            return false;
        }
        Await.pause(random.nextLong(100, 600));
        clean = vm.engine().requestCheckpoint().join();
        broughtMs = vm.engine().requestStatus().join().elapsedMs();
        guest.command(trouble.kind == Kind.PANIC ? "panic" : "hang");
        if (!Await.within(NOTICED_WITHIN, () -> !detections().isEmpty())) {
            trouble.outcome = Outcome.WRONG;
            trouble.tell("never noticed");
            return false;
        }
        return settle(trouble);
    }

    private boolean corrupt(Trouble trouble) {
        broughtMs = random.nextLong(1000, 1400);
        protect("memory:ram@" + (long) broughtMs + "ms,seed=" + random.nextLong(1L << 32));
        clean = vm.engine().requestCheckpoint().join();
        if (!vm.all(Fault.class).isEmpty()) {
            throw new AssertionError("protection took longer to begin than the fault");
        }
        trouble.tell(vm.await(Fault.class, 1).get(0).where());
        if (Await.within(HARMLESS_AFTER, () -> !detections().isEmpty())) {
            return settle(trouble);
        }
        if (step() >= LAST_CALL) {
            return false; // it stays as it is: the result tells
        }
        try {
            vm.engine().requestRollback(OptionalLong.of(clean)).join();
            if (!detections().isEmpty()) {
                return settle(trouble);
            }
            boolean settled = getsOn(trouble);
            trouble.outcome = settled ? Outcome.UNDONE : Outcome.WRONG;
            return settled;
        } catch (CompletionException e) {
            trouble.tell("cannot be undone by request: " + e.getMessage());
            return false;
        }
    }

    /** Waits until the guest has got further than ever before. */
    private boolean getsOn(Trouble trouble) {
        int goal = Math.min(step() + 2 * EVERY, STEPS);
        if (!Await.within(STUCK_AFTER, () -> step() >= goal || givenUp()) || givenUp()) {
            trouble.tell("does not get on to step " + goal + "; " + beats() + "; " + detections() + rollbacks() + tail()
                    + registers() + registers());
            return false;
        }
        return true;
    }

    /** Something was noticed: waits until the guest has got further than ever before, or was given up. */
    private boolean settle(Trouble trouble) {
        boolean settled = getsOn(trouble);
        while (settled && !isUndone() && comesBack()) {
            settled = getsOn(trouble);
        }
        DetectionRecord first = detections().get(0);
        List<Long> ages = rollbacks().stream().map(rollback -> Math.round(rollback.ageMs())).toList();
        trouble.tell(String.format("%s after %.0f ms, rolled back by %s ms", first.detector(), first.atMs() - broughtMs, ages));
        if (!settled) {
            trouble.outcome = isInReach() ? Outcome.WRONG : Outcome.OUT_OF_REACH;
            return false;
        }
        trouble.outcome = Outcome.RECOVERED;
        return isUndone();
    }

    private boolean isUndone() {
        return lastRollback().atMs() - lastRollback().ageMs() < broughtMs;
    }

    /** What was restored may hold the error: waits for as long as it counts as the same one when it comes back. */
    private boolean comesBack() {
        int known = detections().size();
        return Await.within(Duration.ofMillis(Math.round(PROBATION * lastRollback().ageMs())), () -> detections().size() > known);
    }

    private RollbackRecord lastRollback() {
        List<RollbackRecord> all = rollbacks();
        return all.get(all.size() - 1);
    }

    /** Was a checkpoint from before the error kept when something was noticed first? */
    private boolean isInReach() {
        return vm.all(ProtectedVm.Noticed.class).stream().filter(noticed -> !noticed.detection().detector().equals("ctl"))
                .findFirst().map(noticed -> noticed.oldestKept() <= clean).orElse(true);
    }

    /* ---- the end ---- */

    private void judge() {
        Trouble last = troubles.get(troubles.size() - 1);
        if (last.outcome != Outcome.OUT_OF_REACH && last.outcome != Outcome.WRONG) {
            awaitEnd(last);
        }
        boolean isRight = COMPUTED.equals(result());
        if (!isRight && last.outcome != Outcome.OUT_OF_REACH && last.outcome != Outcome.WRONG) {
            last.outcome = last.kind == Kind.CORRUPTION && detections().isEmpty() ? Outcome.UNNOTICED
                    : isInReach() ? Outcome.WRONG : Outcome.OUT_OF_REACH;
            last.tell("result " + result() + ", the console's end: " + tail());
        }
        if (isRight && last.outcome == null) {
            last.outcome = Outcome.HARMLESS;
        }
        if (!isRight) {
            troubles.stream().filter(trouble -> trouble != last).forEach(trouble -> trouble.outcome = Outcome.OVERTAKEN);
        }
    }

    /** Waits for the result, or until nothing can be hoped for any more; settles what is noticed on the way. */
    private void awaitEnd(Trouble last) {
        int known = detections().size();
        for (int before = -1; result() == null && before < step();) {
            int from = step();
            before = from;
            Await.within(STUCK_AFTER, () -> result() != null || step() > from || detections().size() > known);
            if (result() == null && detections().size() > known) {
                settle(last);
                if (last.outcome == Outcome.RECOVERED) {
                    Await.within(STUCK_AFTER, () -> result() != null || givenUp());
                }
                return;
            }
        }
    }

    /* ---- what is known ---- */

    private List<DetectionRecord> detections() {
        return vm.all(DetectionRecord.class).stream().filter(detection -> !detection.detector().equals("ctl")).toList();
    }

    private List<RollbackRecord> rollbacks() {
        return vm.all(RollbackRecord.class);
    }

    private boolean givenUp() {
        return vm.all(String.class).stream().anyMatch(text -> text.startsWith("gave up"));
    }

    /** The furthest step that was told of. What rollbacks made of a line halfway out may look like one that is much further. */
    private int step() {
        int furthest = 0;
        for (String line : guest.console()) {
            Matcher match = STEP.matcher(line);
            if (match.find() && match.group(1).length() <= 6) {
                int step = Integer.parseInt(match.group(1));
                furthest = step <= furthest + 8 * EVERY ? Math.max(step, furthest) : furthest;
            }
        }
        return furthest;
    }

    private String result() {
        for (String line : guest.console()) {
            Matcher match = RESULT.matcher(line);
            if (match.find()) {
                return match.group(1);
            }
        }
        return null;
    }

    private String beats() {
        int before = guest.beatCount();
        Await.pause(2 * HANG_AFTER.toMillis());
        return guest.beatCount() - before + " beats in " + 2 * HANG_AFTER.toMillis() + " ms";
    }

    /** Where the processor is, and its interrupt controller. */
    private String registers() {
        StringBuilder text = new StringBuilder();
        for (String question : List.of("info registers", "info lapic")) {
            String answer = guest.qmp("{\"execute\": \"human-monitor-command\", \"arguments\": {\"command-line\": \"" + question
                    + "\"}}").text("return");
            answer.lines().filter(line -> line.matches("(RIP|LVTT|SPIV|Timer|ISR|IRR).*")).forEach(line -> text.append("; ").append(line.trim()));
        }
        return text.toString();
    }

    private String tail() {
        List<String> lines = guest.console();
        return String.join(" | ", lines.subList(Math.max(0, lines.size() - 5), lines.size()));
    }

    @Override
    public void close() {
        try {
            letGo();
        } finally {
            relay.close();
            guest.close();
        }
    }
}
