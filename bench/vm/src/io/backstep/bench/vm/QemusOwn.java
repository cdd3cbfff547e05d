// SPDX-License-Identifier: Apache-2.0
package io.backstep.bench.vm;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalLong;

import io.backstep.bench.Sample;
import io.backstep.bench.Table;
import io.backstep.core.Discipline;
import io.backstep.bench.Table.Grade;

/**
 * The pause and the restoration of one machine by backstep, by QEMU's internal snapshots, and by migration to a file and
 * from it into a new QEMU; each round has all three. Everything of QEMU's lies in memory, which favours it.
 */
final class QemusOwn implements Question {
    private static final double TIMES_BETTER = 20;
    private static final String OURS = "backstep";
    private static final String SNAPSHOT = "snapshot-save, snapshot-load";
    private static final String MIGRATION = "migrate to a file, a new QEMU from it";
    private static final String LOAD = "memload 64 128";

    private final Map<String, Sample> pauses = new LinkedHashMap<>();
    private final Map<String, Sample> restores = new LinkedHashMap<>();

    @Override
    public Table answer(Bed bed) throws IOException {
        for (String way : List.of(OURS, SNAPSHOT, MIGRATION)) {
            pauses.put(way, new Sample());
            restores.put(way, new Sample());
        }
        Path directory = Files.createTempDirectory(bed.memory(), "backstep-bench-store-");
        Path store = directory.resolve("store.qcow2");
        Path state = directory.resolve("state");
        makeStore(store);
        try (Guest guest = new Guest(bed, new Machine("q35", 512, true, store, List.of()))) {
            guest.awaitUp().load(LOAD);
            for (int round = 0; round < bed.times(5, 30); round++) {
                backstep(guest);
                snapshot(guest);
                migration(bed, guest, store, state);
            }
        } finally {
            Files.deleteIfExists(state);
            Files.deleteIfExists(store);
            Files.delete(directory);
        }
        return table(bed);
    }

    private static void makeStore(Path store) throws IOException {
        try {
            List<String> command = List.of("qemu-img", "create", "-q", "-f", "qcow2", store.toString(), "64M");
            if (new ProcessBuilder(command).inheritIO().start().waitFor() != 0) {
                throw new IOException("qemu-img cannot make " + store);
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private void backstep(Guest guest) {
        Protection.Pauses seen = new Protection.Pauses();
        try (Protection protection = new Protection(guest, 50_000_000, Discipline.COPY)) {
            Bed.sleepMs(200);
            protection.observe(seen);
            Bed.sleepMs(1000);
            protection.observe(null);
            for (int i = 0; i < 3; i++) {
                Bed.sleepMs(250);
                restores.get(OURS).add(protection.engine().requestRollback(OptionalLong.empty()).join().durationUs() / 1e3);
            }
        }
        pauses.get(OURS).addAll(seen.ms);
    }

    private void snapshot(Guest guest) {
        pauses.get(SNAPSHOT).add(stoodMs(guest, "snapshot-save", "\"vmstate\": \"store0\", "));
        Bed.sleepMs(100);
        restores.get(SNAPSHOT).add(stoodMs(guest, "snapshot-load", "\"vmstate\": \"store0\", "));
        guest.job(command("snapshot-delete", ""));
    }

    /** For how long the machine stood, by QEMU's clock. */
    private static double stoodMs(Guest guest, String command, String arguments) {
        guest.events();
        guest.job(command(command, arguments));
        return Stop.longestMs(guest.events());
    }

    private static String command(String name, String arguments) {
        return "{\"execute\": \"" + name + "\", \"arguments\": {\"job-id\": \"" + Guest.JOB + "\", \"tag\": \"s\", "
                + arguments + "\"devices\": [\"store0\"]}}";
    }

    /** The pause is that of a live migration, which copies most while the machine runs, until it is told to go on here. */
    private void migration(Bed bed, Guest guest, Path store, Path state) throws IOException {
        guest.events();
        guest.qmp("{\"execute\": \"migrate-set-parameters\", \"arguments\": {\"max-bandwidth\": 107374182400}}");
        guest.qmp("{\"execute\": \"migrate\", \"arguments\": {\"uri\": \"exec:cat > " + state + "\"}}");
        while (!guest.qmp("{\"execute\": \"query-migrate\"}").contains("\"status\": \"completed\"")) {
            Bed.sleepMs(1);
        }
        guest.goOn();
        pauses.get(MIGRATION).add(Stop.longestMs(guest.events()));
        guest.stop();
        long beganNs = System.nanoTime();
        Machine machine = new Machine("q35", 512, true, store, List.of("-incoming", "exec:cat " + state));
        try (Guest restored = new Guest(bed, machine)) {
            restored.awaitRunning();
            restores.get(MIGRATION).add((System.nanoTime() - beganNs) / 1e6);
        }
        guest.goOn();
    }

    private Table table(Bed bed) {
        Table table = new Table("q35 512 MiB shared: the others must take at least " + (int) TIMES_BETTER + " times as long", "way",
                "pauses", "pause p50, ms", "quartiles", "times ours", "95 %", "restores", "restore p50, ms", "quartiles",
                "times ours", "95 %");
        pauses.forEach((way, pause) -> {
            Sample restore = restores.get(way);
            double pauseRatio = pause.median() / pauses.get(OURS).median();
            double restoreRatio = restore.median() / restores.get(OURS).median();
            Sample.Interval ofPause = Sample.ofRatio(pause, pauses.get(OURS), Sample::median);
            Sample.Interval ofRestore = Sample.ofRatio(restore, restores.get(OURS), Sample::median);
            Grade grade = way.equals(OURS) ? Grade.NONE : Grade.atMost(TIMES_BETTER, Math.min(pauseRatio, restoreRatio));
            table.add(grade, way, Integer.toString(pause.size()), Table.text("%.2f", pause.median()),
                    Table.text("%.2f..%.2f", pause.lowerQuartile(), pause.upperQuartile()), Table.text("%.1f", pauseRatio),
                    Table.text("%.1f..%.1f", ofPause.low(), ofPause.high()), Integer.toString(restore.size()),
                    Table.text("%.1f", restore.median()),
                    Table.text("%.1f..%.1f", restore.lowerQuartile(), restore.upperQuartile()),
                    Table.text("%.1f", restoreRatio), Table.text("%.1f..%.1f", ofRestore.low(), ofRestore.high()));
            bed.figure("peers", way, "pause p50", "ms", pause.median());
            bed.figure("peers", way, "restore p50", "ms", restore.median());
        });
        return table;
    }
}
