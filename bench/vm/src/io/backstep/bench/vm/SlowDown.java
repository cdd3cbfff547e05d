// SPDX-License-Identifier: Apache-2.0
package io.backstep.bench.vm;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;

import io.backstep.bench.Sample;
import io.backstep.bench.Table;
import io.backstep.core.Discipline;

/**
 * By how much a program in a guest takes longer when the machine is protected. Each round runs it without protection and
 * with each interval, in random order, in one and the same guest; each time once before it is measured, so that protection
 * has settled.
 */
final class SlowDown implements Question {
    private static final List<Machine> MACHINES = List.of(new Machine("q35", 512, true), new Machine("microvm", 512, true));
    private static final long SEED = 1;
    private static final Setting UNPROTECTED = new Setting(null, 0);
    private static final Map<Integer, Double> BOUNDS = new LinkedHashMap<>();
    private static final Map<String, String> PROGRAMS = new LinkedHashMap<>();

    static {
        BOUNDS.put(50, 6.3);
        BOUNDS.put(100, 3.5);
        PROGRAMS.put("bzip2", "bzip2 100000");
        PROGRAMS.put("cc1", "cc1");
    }

    /** How a machine is protected. */
    private record Setting(Discipline discipline, int intervalMs) {
        @Override
        public String toString() {
            return " at " + intervalMs + " ms" + (discipline == Discipline.COPY ? "" : ", " + discipline.key());
        }
    }

    @Override
    public Table answer(Bed bed) throws IOException {
        Table table = new Table("slow-down of a program in the guest", "machine, program, interval", "runs", "without, ms",
                "with, ms", "median", "95 %", "lower quartile", "of paired runs, quartiles");
        for (Machine machine : MACHINES) {
            if (machine.name().contains(bed.machines())) {
                try (Guest guest = new Guest(bed, machine)) {
                    guest.awaitUp().command("quit");
                    PROGRAMS.forEach((program, victim) ->
                            measure(bed, guest, machine.name() + ", " + program, victim, table));
                }
            }
        }
        table.remark("median: of the run times' medians, with the 95 %% interval by resampling.");
        return table;
    }

    private static void measure(Bed bed, Guest guest, String name, String victim, Table table) {
        guest.run(victim); // from here on all that it reads is in the guest's memory
        Map<Setting, Sample> times = new LinkedHashMap<>();
        List<Setting> settings = new ArrayList<>(List.of(UNPROTECTED));
        bed.disciplines().forEach(discipline -> BOUNDS.keySet().forEach(ms -> settings.add(new Setting(discipline, ms))));
        settings.forEach(setting -> times.put(setting, new Sample()));
        Random random = new Random(SEED);
        for (int round = 0; round < bed.times(8, 60); round++) {
            Collections.shuffle(settings, random);
            for (Setting setting : settings) {
                times.get(setting).add(run(guest, victim, setting));
            }
        }
        times.forEach((setting, sample) -> {
            if (!setting.equals(UNPROTECTED)) {
                tell(bed, name + setting, times.get(UNPROTECTED), sample, BOUNDS.get(setting.intervalMs), table);
            }
        });
    }

    private static double run(Guest guest, String victim, Setting setting) {
        if (setting.equals(UNPROTECTED)) {
            return settledRun(guest, victim);
        }
        try (Protection protection = new Protection(guest, setting.intervalMs * 1_000_000L, setting.discipline)) {
            return settledRun(guest, victim);
        }
    }

    private static double settledRun(Guest guest, String victim) {
        guest.run(victim);
        return guest.run(victim) / 1e6;
    }

    private static void tell(Bed bed, String name, Sample without, Sample with, double bound, Table table) {
        Sample paired = new Sample();
        for (int i = 0; i < with.size(); i++) {
            paired.add(percent(with.value(i) / without.value(i)));
        }
        double median = percent(with.median() / without.median());
        double lower = percent(with.lowerQuartile() / without.lowerQuartile());
        Sample.Interval interval = Sample.ofRatio(with, without, Sample::median);
        table.add(Table.Grade.atMost(median, bound), name + ": at most " + bound + " %", Integer.toString(with.size()),
                Table.text("%.0f", without.median()), Table.text("%.0f", with.median()), Table.text("%+.1f %%", median),
                Table.text("%+.1f..%+.1f", percent(interval.low()), percent(interval.high())), Table.text("%+.1f %%", lower),
                Table.text("%+.1f..%+.1f", paired.lowerQuartile(), paired.upperQuartile()));
        bed.figure("slow-down", name, "median", "percent", median);
        bed.figure("slow-down", name, "lower quartile", "percent", lower);
        bed.figure("slow-down", name, "low", "percent", percent(interval.low()));
        bed.figure("slow-down", name, "high", "percent", percent(interval.high()));
    }

    private static double percent(double ratio) {
        return 100 * (ratio - 1);
    }
}
