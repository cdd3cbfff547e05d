// SPDX-License-Identifier: Apache-2.0
package io.backstep.bench.programs;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

import io.backstep.bench.LibC;

/**
 * Runs programs while something else than backstep takes their checkpoints, one of {@code bench/peers}: a library that
 * is loaded into the program, or a program that starts it. Neither can be expected to run everywhere. One thread.
 */
final class Peers {
    private static final Program TRIAL = new Program("sleep", "", null, null, List.of("sleep", "0.3"));
    private static final int TRIAL_INTERVAL_MS = 50;
    private static final long LEAST_LIMIT_MS = 20_000;

    private final Runner runner;
    private final Path directory;
    private final Path reportFile;

    /** @param work where the peers lie, and where files may be written */
    Peers(Runner runner, Path work) {
        this.runner = runner;
        directory = work.resolve("peers");
        reportFile = work.resolve("peer-report.json");
    }

    /** Null if it takes checkpoints on this host, which is tried; else why it does not. */
    String refusal(Row row) throws InterruptedException {
        try {
            return run(TRIAL, row, TRIAL_INTERVAL_MS, LEAST_LIMIT_MS).report().number("checkpoints.taken") > 0 ? null
                    : "it took no checkpoint";
        } catch (IOException e) {
            return e.getMessage();
        }
    }

    /** For how long it is waited for a program that takes so long undisturbed. */
    static long limitMs(double undisturbedMs) {
        return LEAST_LIMIT_MS + (long) (20 * undisturbedMs);
    }

    /** An IOException tells why it cannot run this program. */
    Run run(Program program, Row row, int intervalMs, long limitMs) throws IOException, InterruptedException {
        Path library = directory.resolve(row.predictor() + ".so");
        boolean isLibrary = Files.exists(library);
        List<String> command = new ArrayList<>();
        if (!isLibrary) {
            command.addAll(List.of(directory.resolve(row.predictor()).toString(), Integer.toString(intervalMs),
                    reportFile.toString()));
        }
        command.addAll(program.command());
        ProcessBuilder builder = new ProcessBuilder(command);
        if (isLibrary) {
            builder.environment().put("LD_PRELOAD", library.toString());
            builder.environment().put("PEER_INTERVAL_MS", Integer.toString(intervalMs));
            builder.environment().put("PEER_REPORT", reportFile.toString());
        }
        Files.deleteIfExists(reportFile);
        LibC.Used earlier = LibC.Used.byEndedChildren();
        long beganNs = System.nanoTime();
        String output = runner.finish(program, builder, limitMs);
        double wallMs = (System.nanoTime() - beganNs) / 1e6;
        if (!Files.exists(reportFile)) {
            throw new IOException(program.name() + " ended without a report");
        }
        Report report = Report.read(reportFile);
        double pausedMs = report.number("paused_ms");
        // A library's pauses are in the program's own time already.
        double processorMs = isLibrary ? LibC.Used.byEndedChildren().since(earlier).processorNs() / 1e6
                - report.number("snapshots_ms") - pausedMs : report.number("processor_ms");
        return new Run(processorMs, pausedMs, wallMs, output, report);
    }
}
