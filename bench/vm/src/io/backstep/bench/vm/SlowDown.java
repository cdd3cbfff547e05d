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

/**
 * By how much a program in a guest takes longer when the machine is protected. Each round runs it without protection and
 * with each interval, in random order, in one and the same guest.
 */
final class SlowDown implements Question {
    private static final Machine MACHINE = new Machine("q35", 512, true);
    private static final long SEED = 1;
    private static final int UNPROTECTED = 0;
    private static final Map<Integer, Double> BOUNDS = new LinkedHashMap<>();
    private static final Map<String, String> PROGRAMS = new LinkedHashMap<>();

    static {
        BOUNDS.put(50, 6.3);
        BOUNDS.put(100, 3.5);
        PROGRAMS.put("bzip2", "bzip2 100000");
        PROGRAMS.put("cc1", "cc1");
    }

    @Override
    public Table answer(Bed bed) throws IOException {
        Table table = new Table("slow-down of a program in the guest", "program, interval", "runs", "without, ms", "with, ms",
                "median", "95 %", "lower quartile", "of paired runs, quartiles");
        try (Guest guest = new Guest(bed, MACHINE)) {
            guest.awaitUp().command("quit");
            PROGRAMS.forEach((program, victim) -> measure(bed, guest, program, victim, table));
        }
        table.remark("%s; median: of the run times' medians, with the 95 %% interval by resampling.", MACHINE.name());
        return table;
    }

    private static void measure(Bed bed, Guest guest, String program, String victim, Table table) {
        guest.run(victim); // from here on all that it reads is in the guest's memory
        Map<Integer, Sample> times = new LinkedHashMap<>();
        List<Integer> settings = new ArrayList<>(List.of(UNPROTECTED));
        settings.addAll(BOUNDS.keySet());
        settings.forEach(ms -> times.put(ms, new Sample()));
        Random random = new Random(SEED);
        for (int round = 0; round < bed.times(8, 60); round++) {
            Collections.shuffle(settings, random);
            for (int intervalMs : settings) {
                times.get(intervalMs).add(run(guest, victim, intervalMs));
            }
        }
        BOUNDS.forEach((ms, bound) -> tell(
                bed, program + " at " + ms + " ms", times.get(UNPROTECTED), times.get(ms), bound, table));
    }

    private static double run(Guest guest, String victim, int intervalMs) {
        if (intervalMs == UNPROTECTED) {
            return guest.run(victim) / 1e6;
        }
        try (Protection protection = new Protection(guest, intervalMs * 1_000_000L)) {
            return guest.run(victim) / 1e6;
        }
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
