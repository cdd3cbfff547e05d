// SPDX-License-Identifier: Apache-2.0
package io.backstep.bench.programs;

import java.io.File;
import java.io.IOException;
import java.lang.ProcessBuilder.Redirect;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeoutException;

import io.backstep.bench.LibC;

/**
 * Runs programs, undisturbed or under {@code backstep run} as it ships; either way they write into a pipe. One thread.
 */
final class Runner {
    private static final File NOTHING = new File("/dev/null");
    private static final long UNLIMITED = Long.MAX_VALUE;
    /** What a peer says of itself, rather than the program. */
    private static final String OF_PEER = "peer: ";

    private final Path launcher;
    private final Path directory;
    private final Path agent;
    private final Path reportFile;
    private final Path usedFile;
    private final Path errors;
    private final Map<Row, List<String>> options = new HashMap<>();

    /**
     * @param home backstep's
     * @param work where the agent lies and files may be written
     * @param form the directory in it in which programs run
     */
    Runner(Path home, Path work, String form) {
        launcher = home.resolve("backstep");
        directory = work.resolve(form);
        agent = work.resolve("agent.jar");
        reportFile = work.resolve("report.json");
        usedFile = work.resolve("used");
        errors = work.resolve("errors");
    }

    /** How this build protects when it is not told. */
    Row byDefault() throws IOException, InterruptedException {
        int status = tryOut(List.of());
        Report report = status == 0 ? Report.read(reportFile) : null;
        if (report == null || report.text("capture") == null || report.text("predictor") == null) {
            throw new IOException("backstep run -- true ended with status " + status + ": " + firstError());
        }
        return new Row(report.text("capture"), report.text("predictor"));
    }

    /** Null if this build protects so; else its words. */
    String refusal(Row row) throws IOException, InterruptedException {
        String words = null;
        List<String> capture = List.of("--capture", row.capture());
        List<String> predict = List.of("--predict", row.predictor());
        for (List<List<String>> tried : List.of(List.of(capture, predict), List.of(predict), List.of(capture),
                List.<List<String>>of())) {
            List<String> asked = tried.stream().flatMap(List::stream).toList();
            if (tryOut(asked) == 0) {
                Report report = Report.read(reportFile);
                if (row.capture().equals(report.text("capture")) && row.predictor().equals(report.text("predictor"))) {
                    options.put(row, asked);
                    return null;
                }
            } else if (words == null) {
                words = firstError();
            }
        }
        return words == null ? "it protects in another way" : words;
    }

    private int tryOut(List<String> asked) throws IOException, InterruptedException {
        List<String> command = new ArrayList<>(List.of(launcher.toString(), "run", "--report",
                reportFile.toString()));
        command.addAll(asked);
        command.addAll(List.of("--", "true"));
        return new ProcessBuilder(command).redirectOutput(NOTHING).redirectError(errors.toFile()).start().waitFor();
    }

    Run undisturbed(Program program) throws IOException, InterruptedException {
        LibC.Used earlier = LibC.Used.byEndedChildren();
        long beganNs = System.nanoTime();
        String output = finish(program, new ProcessBuilder(program.command()), UNLIMITED);
        double wallMs = (System.nanoTime() - beganNs) / 1e6;
        return new Run(LibC.Used.byEndedChildren().since(earlier).processorNs() / 1e6, 0, wallMs, output, null);
    }

    /** @param row one that is not refused */
    Run underProtection(Program program, Row row, int intervalMs) throws IOException, InterruptedException {
        List<String> command = new ArrayList<>(List.of(launcher.toString(), "run", "--interval", intervalMs + "ms",
                "--report", reportFile.toString()));
        command.addAll(options.get(row));
        command.add("--");
        command.addAll(program.command());
        ProcessBuilder builder = new ProcessBuilder(command);
        builder.environment().put("BACKSTEP_JAVA_OPTS", "-javaagent:" + agent + "=" + usedFile);
        Files.deleteIfExists(usedFile);
        String output = finish(program, builder, UNLIMITED);
        Report report = Report.read(reportFile);
        return new Run(Long.parseLong(Files.readString(usedFile)) / 1e6, report.number("paused_ms"),
                report.number("elapsed_ms"), output, report);
    }

    /** Runs a command that becomes this program; an IOException tells that it failed or has not come to its end. */
    String finish(Program program, ProcessBuilder builder, long limitMs) throws IOException, InterruptedException {
        File input = program.input() == null ? NOTHING : directory.resolve(program.input()).toFile();
        builder.environment().put("PERL_HASH_SEED", "0");
        Process process = builder.directory(directory.toFile()).redirectInput(input).redirectError(errors.toFile())
                .redirectOutput(Redirect.PIPE).start();
        String output;
        try {
            output = new Output(process.getInputStream(), program.notCompared()).digest(limitMs);
        } catch (TimeoutException e) {
            process.destroyForcibly().waitFor();
            throw new IOException(program.name() + " has not ended after " + limitMs / 1000 + " s");
        }
        int status = process.waitFor();
        if (status != 0) {
            throw new IOException(program.name() + " ended with status " + status + ": " + firstError());
        }
        return output;
    }

    private String firstError() throws IOException {
        List<String> lines = Files.readAllLines(errors, StandardCharsets.ISO_8859_1);
        return lines.stream().filter(line -> line.startsWith(OF_PEER)).findFirst()
                .orElse(lines.isEmpty() ? "no message" : lines.get(0));
    }
}
