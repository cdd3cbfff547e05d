// SPDX-License-Identifier: Apache-2.0
package io.backstep.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import picocli.CommandLine;

class RetainCommandTest {
    private final StringWriter out = new StringWriter();
    private final StringWriter err = new StringWriter();

    private int retain(String... arguments) {
        List<String> all = new ArrayList<>(List.of("--error-latency", "exp:mean=20ms"));
        all.addAll(List.of(arguments));
        return new CommandLine(new RetainCommand()).setOut(new PrintWriter(out)).setErr(new PrintWriter(err))
                .setExecutionExceptionHandler((e, command, result) -> {
                    command.getErr().println(e.getMessage());
                    return ExitStatus.USAGE;
                }).execute(all.toArray(new String[0]));
    }

    @Test
    void shouldRecommendOptions() {
        assertEquals(0, retain("--interval", "10ms,20ms"));

        String last = out.toString().lines().filter(line -> line.startsWith("recommended: ")).findFirst().orElseThrow();
        String pattern = "recommended: --interval [12]0ms --error-latency exp:mean=20ms --coverage 0.99 --keep \\d+";
        assertTrue(last.matches(pattern), last);
    }

    @Test
    void shouldSayThatTheBudgetIsTooSmall() {
        assertEquals(ExitStatus.FAILED, retain("--interval", "10ms", "--dirty-rate", "100M", "--memory-budget", "2M"));

        String text = out.toString();
        assertTrue(text.contains("the memory budget of 2 MiB does not allow a coverage of 99.0%"), text);
    }

    @Test
    void shouldPrintJson() {
        assertEquals(0, retain("--json", "--interval", "10ms"));

        Json json = Json.parse(out.toString());
        assertEquals(1, out.toString().lines().count());
        assertEquals("exp:mean=20ms", json.text("error_latency"));
        assertEquals(true, json.at("achieved"));
        assertEquals(10, json.list("rows").get(0).number("interval_ms"));
        assertTrue(json.number("recommended.coverage") >= 0.99);
    }

    @Test
    void shouldPrintCsv() {
        assertEquals(0, retain("--csv", "--interval", "10ms"));

        List<String> lines = out.toString().lines().toList();
        assertTrue(lines.get(0).startsWith("interval_ms,policy,depth,"), lines.get(0));
        assertTrue(lines.get(1).startsWith("10,last,3,"), lines.get(1));
        assertTrue(lines.stream().allMatch(line -> line.split(",").length == lines.get(0).split(",").length));
    }

    @Test
    void shouldDrawAPicture(@TempDir Path directory) throws IOException {
        Path file = directory.resolve("plan.svg");

        assertEquals(0, retain("--svg", file.toString()));

        String svg = Files.readString(file);
        assertTrue(svg.startsWith("<svg ") && svg.endsWith("</svg>\n"), svg);
        assertEquals(4, svg.lines().filter(line -> line.contains(" kept</text>")).count());
    }

    @ParameterizedTest
    @ValueSource(strings = {"--coverage 0", "--coverage 1", "--coverage 2", "--coverage NaN", "--interval 1us",
        "--between-errors 0s", "--restart 0s", "--rollback 0s"})
    void shouldRefuseBadValueAndNameTheOption(String option) {
        String[] words = option.split(" ");

        assertEquals(ExitStatus.USAGE, retain(words));

        assertTrue(err.toString().startsWith(words[0]) && err.toString().lines().count() == 1, err.toString());
        assertEquals("", out.toString());
    }
}
