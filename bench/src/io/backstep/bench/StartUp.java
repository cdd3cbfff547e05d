// SPDX-License-Identifier: Apache-2.0
package io.backstep.bench;

import java.io.IOException;
import java.lang.ProcessBuilder.Redirect;
import java.nio.file.Path;
import java.util.List;

/** How long does it take to protect a program that does nothing, from the shell's point of view? Beside it: a JVM that does nothing. */
final class StartUp implements Question {
    private static final double BOUND_S = 0.6;
    private static final int RUNS = 10;

    @Override
    public Table answer(Setting setting) throws IOException, InterruptedException {
        Sample ours = new Sample();
        Sample bare = new Sample();
        List<String> java = List.of(Path.of(System.getProperty("java.home"), "bin", "java").toString(), "-Xshare:auto",
                "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-version");
        List<String> backstep = List.of(setting.launcher().toString(), "run", "--", "true");
        for (int i = 0; i < RUNS; i++) {
            bare.add(seconds(java));
            ours.add(seconds(backstep));
        }
        Table table = new Table("start-up (s)", "what", "p50", "quartiles", "max", "ratio to the bare JVM", "runs", "bound p50");
        table.add(Table.Grade.atMost(ours.median(), BOUND_S), "backstep run -- true", Table.text("%.2f", ours.median()),
                quartiles(ours), Table.text("%.2f", ours.maximum()), Table.text("%.1f", ours.median() / bare.median()),
                Integer.toString(RUNS), Table.text("%.1f", BOUND_S));
        table.add(Table.Grade.NONE, "java -version", Table.text("%.2f", bare.median()), quartiles(bare),
                Table.text("%.2f", bare.maximum()), "", Integer.toString(RUNS), "");
        return table;
    }

    private static String quartiles(Sample seconds) {
        return Table.text("%.2f..%.2f", seconds.lowerQuartile(), seconds.upperQuartile());
    }

    private static double seconds(List<String> command) throws IOException, InterruptedException {
        long began = System.nanoTime();
        int status = new ProcessBuilder(command).redirectOutput(Redirect.DISCARD).redirectError(Redirect.DISCARD).start().waitFor();
        if (status != 0) {
            throw new IOException(command + " ended with status " + status);
        }
        return (System.nanoTime() - began) / 1e9;
    }
}
