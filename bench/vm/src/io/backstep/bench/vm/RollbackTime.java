// SPDX-License-Identifier: Apache-2.0
package io.backstep.bench.vm;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;

import io.backstep.bench.Sample;
import io.backstep.bench.Table;
import io.backstep.bench.Table.Grade;

/**
 * How long a rollback of {@code backstep vm} takes, how soon after a panic the machine runs again, and whether many
 * rollbacks in a row leave something behind in QEMU or backstep.
 */
final class RollbackTime implements Question {
    private static final long SEED = 1;
    private static final double BOUND_MS = 40;
    private static final double PANIC_BOUND_MS = 60;
    private static final int FIRST = 20;
    private static final double GROWTH_MIB = 4;
    private static final String PANIC = "GUEST_PANICKED";
    private static final long QUIET_MS = 500;
    private static final String LOAD = "compute 7 100000000 8";

    @Override
    public Table answer(Bed bed) throws IOException {
        Table table = new Table("rollback", "what", "times", "p50", "p90", "p99", "maximum", "p25..p75");
        rollBack(bed, new Machine("q35", 512, true), bed.times(100, 500), table);
        rollBack(bed, new Machine("q35", 2048, false), bed.times(25, 100), table);
        rollBack(bed, new Machine("pc", 512, true), bed.times(25, 100), table);
        rollBack(bed, new Machine("microvm", 512, true), bed.times(25, 100), table);
        table.remark("in ms. Stands: by QEMU's own clock, from the event STOP to RESUME. Panic: from QEMU's event GUEST_PANICKED");
        table.remark("to RESUME, each followed by the guest's first instruction; it counts each of the rollbacks that one took.");
        return table;
    }

    private static void rollBack(Bed bed, Machine machine, int times, Table table) throws IOException {
        if (!machine.name().contains(bed.machines())) {
            return;
        }
        Sample byBackstep = new Sample();
        Sample byQemu = new Sample();
        Random random = new Random(SEED);
        try (Guest guest = new Guest(bed, machine)) {
            guest.awaitUp().load(LOAD);
            try (Backstepper backstep = new Backstepper(bed, guest)) {
                List<ProcessUse> before = List.of();
                int nodes = 0;
                for (int i = 0; i < FIRST + times; i++) {
                    if (i == FIRST) {
                        before = List.of(ProcessUse.of(guest.pid()), ProcessUse.of(backstep.pid()));
                        nodes = guest.blockNodes();
                    }
                    Bed.sleepMs(150 + random.nextInt(200)); // no escalation: the last one's probation has ended
                    guest.events();
                    double ms = backstep.rollBackMs();
                    double stoodMs = Stop.longestMs(guest.events()); // captures take less
                    if (i >= FIRST) {
                        byBackstep.add(ms);
                        byQemu.add(stoodMs);
                    }
                }
                tell(bed, table, machine.name() + ", duration", byBackstep, BOUND_MS);
                tell(bed, table, machine.name() + ", stands", byQemu, BOUND_MS);
                leaks(bed, table, machine, times, before, nodes, guest, backstep);
                panics(bed, table, machine, guest);
            }
        }
    }

    /** A panic may come back from a checkpoint that already held its cause. */
    private static void panics(Bed bed, Table table, Machine machine, Guest guest) {
        Sample sample = new Sample();
        int panics = bed.times(10, 50);
        for (int i = 0; i < panics; i++) {
            guest.events();
            guest.say("panic");
            long panicUs = guest.awaitEvent(PANIC).atUs();
            boolean quiet;
            do {
                Bed.sleepMs(QUIET_MS);
                quiet = true;
                for (Guest.Event event : guest.events()) {
                    if (event.name().equals(PANIC)) {
                        panicUs = event.atUs();
                        quiet = false;
                    } else if (event.name().equals("RESUME") && panicUs != 0) {
                        sample.add((event.atUs() - panicUs) / 1e3);
                        panicUs = 0;
                    }
                }
            } while (!quiet);
        }
        tell(bed, table, machine.name() + ", " + panics + " panics", sample, PANIC_BOUND_MS);
    }

    private static void tell(Bed bed, Table table, String name, Sample sample, double boundMs) {
        table.add(Grade.atMost(sample.median(), boundMs), name + ": p50 at most " + (int) boundMs,
                Integer.toString(sample.size()), Table.text("%.1f", sample.median()), Table.text("%.1f", sample.quantile(0.9)),
                Table.text("%.1f", sample.quantile(0.99)), Table.text("%.1f", sample.maximum()),
                Table.text("%.1f..%.1f", sample.lowerQuartile(), sample.upperQuartile()));
        for (double share : new double[] {0.25, 0.5, 0.75, 0.9, 0.99, 1}) {
            bed.figure("rollback", name, "p" + Math.round(100 * share), "ms", sample.quantile(share));
        }
    }

    private static void leaks(Bed bed, Table table, Machine machine, int times, List<ProcessUse> before, int nodesBefore,
            Guest guest, Backstepper backstep) throws IOException {
        List<ProcessUse> after = List.of(ProcessUse.of(guest.pid()), ProcessUse.of(backstep.pid()));
        List<String> names = List.of("QEMU", "backstep");
        List<String> growths = new ArrayList<>();
        boolean clean = true;
        for (int i = 0; i < 2; i++) {
            ProcessUse was = before.get(i);
            ProcessUse is = after.get(i);
            growths.add(Table.text("%s: %.1f -> %.1f MiB, %d -> %d descriptors, %d -> %d mappings", names.get(i),
                    was.anonymousMib(), is.anonymousMib(), was.descriptors(), is.descriptors(), was.mappings(), is.mappings()));
            clean &= is.anonymousMib() - was.anonymousMib() < GROWTH_MIB && is.descriptors() <= was.descriptors() + 1;
            bed.figure("leaks", machine.name() + " " + times + " rollbacks", names.get(i) + " growth", "MiB",
                    is.anonymousMib() - was.anonymousMib());
            bed.figure("leaks", machine.name() + " " + times + " rollbacks", names.get(i) + " descriptors more", "",
                    is.descriptors() - was.descriptors());
        }
        int nodes = guest.blockNodes();
        clean &= nodes == nodesBefore;
        table.add(clean ? Grade.MET : Grade.NOT_MET, machine.name() + ", nothing is left behind", Integer.toString(times));
        table.remark("%s, %d rollbacks: %s; %d -> %d block nodes", machine.name(), times, String.join("; ", growths), nodesBefore,
                nodes);
    }
}
