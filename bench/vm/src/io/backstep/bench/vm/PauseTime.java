// SPDX-License-Identifier: Apache-2.0
package io.backstep.bench.vm;

import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

import io.backstep.bench.Table;
import io.backstep.bench.Table.Grade;
import io.backstep.core.Discipline;
import io.backstep.core.Phase;

/** How long a machine stands still for a capture. All machines take turns; those whose turn it is not, stand. */
final class PauseTime implements Question {
    private static final long INTERVAL_NS = 50_000_000;
    private static final long SETTLING_MS = 500;
    private static final double BOUND_MS = 3;
    private static final double MICROVM_BOUND_MS = 2;

    private static final Map<String, String> LOADS = new LinkedHashMap<>();

    static {
        LOADS.put("idle", "idle");
        LOADS.put("files", "fsload 1 1000000 3");
        LOADS.put("memory", "memload 64 128");
        LOADS.put("compute", "compute 7 100000000 8");
    }

    @Override
    public Table answer(Bed bed) throws IOException {
        List<Machine> machines = machines(bed.quick(), bed.machines());
        Map<String, Protection.Pauses> all = new LinkedHashMap<>();
        List<Guest> guests = new ArrayList<>();
        try {
            for (Machine machine : machines) {
                Guest guest = new Guest(bed, machine);
                guests.add(guest);
                guest.awaitUp().stop();
            }
            for (int round = 0; round < bed.times(2, 10); round++) {
                for (int i = 0; i < machines.size(); i++) {
                    for (Discipline discipline : bed.disciplines()) {
                        measure(bed, machines.get(i), guests.get(i), discipline, all);
                    }
                }
            }
        } finally {
            Guest.closeAll(guests);
        }
        return table(bed, all);
    }

    private static List<Machine> machines(boolean quick, String asked) {
        List<Machine> machines = new ArrayList<>();
        for (String type : List.of("q35", "pc", "microvm")) {
            for (int mib : new int[] {512, 2048}) {
                for (boolean isShared : new boolean[] {true, false}) {
                    Machine machine = new Machine(type, mib, isShared);
                    if (!machine.name().contains(asked)) {
                        continue;
                    }
                    if (!asked.isEmpty() || !quick || type.equals("q35") || mib == 512 && isShared) {
                        machines.add(machine);
                    }
                }
            }
        }
        return machines;
    }

    private static void measure(Bed bed, Machine machine, Guest guest, Discipline discipline,
            Map<String, Protection.Pauses> all) {
        guest.goOn();
        try (Protection protection = new Protection(guest, INTERVAL_NS, discipline)) {
            LOADS.forEach((load, victim) -> {
                guest.load(victim);
                Bed.sleepMs(SETTLING_MS);
                String name = machine.name() + ", " + load + (discipline == Discipline.COPY ? "" : ", " + discipline.key());
                Protection.Pauses pauses = all.computeIfAbsent(name, key -> new Protection.Pauses());
                guest.events();
                protection.observe(pauses);
                Bed.sleepMs(bed.times(1000, 2500));
                protection.observe(null);
                pauses.byQemuMs.addAll(Stop.ms(guest.events()));
            });
            guest.load("idle");
        }
        guest.stop();
    }

    private static Table table(Bed bed, Map<String, Protection.Pauses> all) {
        Table table = new Table("pause at 50 ms, in ms: p50 at most " + BOUND_MS + " on q35, " + MICROVM_BOUND_MS + " on microvm",
                "machine, load", "pauses", "p50", "p90", "p99", "p25..p75", "by QEMU p50",
                "pages", "freeze", "scan", "copy", "state", "thaw");
        all.forEach((name, pauses) -> {
            List<String> cells = new ArrayList<>(List.of(name, Integer.toString(pauses.ms.size())));
            for (double share : new double[] {0.5, 0.9, 0.99}) {
                cells.add(Table.text("%.2f", pauses.ms.quantile(share)));
                bed.figure("pause", name, "p" + Math.round(100 * share), "ms", pauses.ms.quantile(share));
            }
            cells.add(Table.text("%.2f..%.2f", pauses.ms.lowerQuartile(), pauses.ms.upperQuartile()));
            cells.add(Table.text("%.2f", pauses.byQemuMs.median()));
            bed.figure("pause", name, "by QEMU p50", "ms", pauses.byQemuMs.median());
            cells.add(Table.text("%.0f", pauses.pages.median()));
            bed.figure("pause", name, "pages p50", "pages", pauses.pages.median());
            for (Phase phase : Phase.values()) {
                cells.add(Table.text("%.2f", pauses.parts.get(phase).median()));
                bed.figure("pause", name, phase.key() + " p50", "ms", pauses.parts.get(phase).median());
            }
            Grade grade = name.startsWith("pc") ? Grade.NONE
                    : Grade.atMost(pauses.ms.median(), name.startsWith("microvm") ? MICROVM_BOUND_MS : BOUND_MS);
            table.add(grade, cells.toArray(String[]::new));
        });
        table.remark("freeze: until QEMU has stopped the machine; scan and copy: of memory, while QEMU saves the devices;");
        table.remark("state: what was to be waited for that after the copying; thaw: until it goes on. Medians.");
        table.remark("By QEMU: from its event STOP to RESUME, so without the way to QEMU and back.");
        return table;
    }
}
