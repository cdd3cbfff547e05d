// SPDX-License-Identifier: Apache-2.0
package io.backstep.cli;

import java.util.List;
import java.util.concurrent.Callable;
import java.util.stream.Stream;

import io.backstep.Backstep;
import io.backstep.sys.Inheritance;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code backstep run}: starts an unmodified program under protection. */
@Command(
        name = "run", description = "Starts an unmodified program under protection.", mixinStandardHelpOptions = true,
        sortOptions = false,
        footer = {"",
                "The exit status is the program's own (128 and the number for a signal), or one of: "
                        + ExitStatus.SUMMARY})
final class RunCommand implements Callable<Integer> {
    /** Set by the launcher: signals that were ignored when it started, before the virtual machine took them over. */
    private static final String IGNORED_SIGNALS = "backstep.ignored.signals";
    /** Set by the launcher: descriptors that were open when it started, before the virtual machine opened its own. */
    private static final String DESCRIPTORS = "backstep.descriptors";

    @Mixin
    private ProtectionOptions options;

    @Option(names = "--output", paramLabel = "hold|pass", defaultValue = "hold",
            description =
                    "hold: standard output and error wait until no kept checkpoint can take them back, about "
                    + "interval times keep, so that nothing is written twice; pass: the program writes where it would "
                    + "without backstep (default: ${DEFAULT-VALUE}).")
    private OutputMode output;

    @Parameters(paramLabel = "-- PROGRAM ARG...", arity = "1..*",
            description = "The program, looked up in PATH, and its arguments.")
    private List<String> command;

    /** What becomes of the program's output. */
    enum OutputMode { hold, pass }

    @Override
    public Integer call() {
        Backstep.Context context = new Backstep.Context()
                .program(command)
                .holdOutput(output == OutputMode.hold)
                .inheritance(inheritance());
        Protection protection = new Protection(options, Protection.Origin.STARTED);
        if (output == OutputMode.hold && Console.leadsToTerminal(1)) {
            protection.holdsOutput();
        }
        return protection.run(context);
    }

    private static Inheritance inheritance() {
        return new Inheritance(Long.parseUnsignedLong(System.getProperty(IGNORED_SIGNALS, "0"), 16),
                Stream.of(System.getProperty(DESCRIPTORS, "").trim().split(" "))
                        .filter(number -> !number.isEmpty())
                        .map(Long::valueOf)
                        .toList());
    }
}
