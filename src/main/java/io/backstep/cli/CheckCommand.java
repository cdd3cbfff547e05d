// SPDX-License-Identifier: Apache-2.0
package io.backstep.cli;

import java.io.IOException;
import java.io.PrintWriter;
import java.util.concurrent.Callable;
import java.util.function.Supplier;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.StreamWriteFeature;
import io.backstep.sys.Facility;
import io.backstep.sys.Facility.State;
import io.backstep.sys.Host;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** {@code backstep check}: what this host offers, and what it costs where something is missing. */
@Command(
        name = "check",
        description = "Tells what this host offers, what is missing, what that costs and what to do about it.",
        mixinStandardHelpOptions = true,
        sortOptions = false,
        footer = {"", "The exit status is 0 if processes can be protected here, else " + ExitStatus.HOST_UNFIT + "."})
final class CheckCommand implements Callable<Integer> {
    private static final int STATE_WIDTH = 9;
    private static final String RESET = "\u001b[0m";

    @Spec
    private CommandSpec spec;

    @Option(names = "--json", description = "Print one JSON object.")
    private boolean json;

    private final Supplier<Host> host;
    private final boolean colour;

    CheckCommand() {
        this(() -> Host.current().withPrograms(), wantsColour());
    }

    CheckCommand(Supplier<Host> host, boolean colour) {
        this.host = host;
        this.colour = colour;
    }

    /** Only a terminal that can show it gets colour, and only from users who have not said no. */
    private static boolean wantsColour() {
        String no = System.getenv("NO_COLOR");
        return (no == null || no.isEmpty()) && !"dumb".equals(System.getenv("TERM")) && Console.leadsToTerminal(1);
    }

    @Override
    public Integer call() throws IOException {
        Host found = host.get();
        PrintWriter out = spec.commandLine().getOut();
        if (json) {
            printJson(found, out);
        } else {
            printText(found, out);
        }
        out.flush();
        return found.canProtect() ? 0 : ExitStatus.HOST_UNFIT;
    }

    private void printText(Host found, PrintWriter out) {
        int nameWidth = found.facilities().stream().mapToInt(facility -> facility.name().length()).max().orElse(0) + 2;
        for (Facility facility : found.facilities()) {
            out.println(state(facility) + padded(facility.name(), nameWidth) + facility.detail()
                    + (facility.isMissing() && !facility.needed() ? " (optional)" : ""));
            if (facility.state() != State.OK) {
                out.println(" ".repeat(STATE_WIDTH) + "cost: " + facility.cost());
                out.println(" ".repeat(STATE_WIDTH) + "remedy: " + facility.remedy());
            }
        }
        out.println(found.verdict());
    }

    private String state(Facility facility) {
        String word = padded(word(facility.state()), STATE_WIDTH);
        return colour ? colourOf(facility) + word + RESET : word;
    }

    /** Green, yellow, and red for what is needed only. */
    private static String colourOf(Facility facility) {
        if (facility.state() == State.OK) {
            return "\u001b[32m";
        }
        return facility.isMissing() && facility.needed() ? "\u001b[31m" : "\u001b[33m";
    }

    private static String word(State state) {
        return switch (state) {
            case OK -> "ok";
            case LIMITED -> "limited";
            case MISSING -> "missing";
        };
    }

    private static String padded(String text, int width) {
        return text + " ".repeat(Math.max(0, width - text.length()));
    }

    private static void printJson(Host found, PrintWriter out) throws IOException {
        JsonFactory factory = JsonFactory.builder().disable(StreamWriteFeature.AUTO_CLOSE_TARGET).build();
        try (JsonGenerator generator = factory.createGenerator(out)) {
            generator.writeStartObject();
            generator.writeBooleanField("ok", found.canProtect());
            generator.writeStringField("verdict", found.verdict());
            generator.writeArrayFieldStart("facilities");
            for (Facility facility : found.facilities()) {
                generator.writeStartObject();
                generator.writeStringField("name", facility.name());
                generator.writeBooleanField("ok", !facility.isMissing());
                generator.writeStringField("state", word(facility.state()));
                generator.writeBooleanField("needed", facility.needed());
                generator.writeStringField("detail", facility.detail());
                generator.writeStringField("cost", facility.cost());
                generator.writeStringField("remedy", facility.remedy());
                generator.writeEndObject();
            }
            generator.writeEndArray();
            generator.writeEndObject();
        }
        out.println();
    }
}
