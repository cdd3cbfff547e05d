// SPDX-License-Identifier: Apache-2.0
package io.backstep.cli;

import io.backstep.core.BackstepException;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.IVersionProvider;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** The {@code backstep} program. */
@Command(
        name = "backstep",
        description =
                "Keeps micro-checkpoints of a running program or virtual machine in memory and rolls it back in place "
                + "when a transient fault is noticed.",
        mixinStandardHelpOptions = true, versionProvider = Main.Version.class,
        subcommands = {RunCommand.class, AttachCommand.class, VmCommand.class, DiskCommand.class, CtlCommand.class,
            CheckCommand.class, RetainCommand.class},
        footer = {"",
                "Each command has its own --help. Exit statuses of backstep itself: " + ExitStatus.SUMMARY + "%n"})
public final class Main implements Runnable {
    @Spec
    private CommandSpec spec;

    public static void main(String[] args) {
        System.exit(execute(args));
    }

    /** Runs a command line and returns its exit status. */
    static int execute(String... args) {
        return new CommandLine(new Main())
                .setParameterExceptionHandler(Main::onBadUsage)
                .setExecutionExceptionHandler(Main::onFailure)
                .setExpandAtFiles(false) // an @argument is the program's
                .execute(args);
    }

    @Override
    public void run() {
        throw new ParameterException(spec.commandLine(), "no command given");
    }

    private static int onBadUsage(ParameterException e, String[] args) {
        System.err.println("backstep: " + oneLine(e.getMessage()) + "; see '"
                + e.getCommandLine().getCommandSpec().qualifiedName() + " --help'");
        return ExitStatus.USAGE;
    }

    private static int onFailure(Exception e, CommandLine command, CommandLine.ParseResult result) {
        if (e instanceof BackstepException || e instanceof IllegalArgumentException) {
            System.err.println("backstep: " + oneLine(e.getMessage()));
            return e instanceof IllegalArgumentException ? ExitStatus.USAGE : ExitStatus.FAILED;
        }
        System.err.println("backstep: " + oneLine(e.toString()) + " (please report this)");
        return ExitStatus.FAILED;
    }

    private static String oneLine(String text) {
        return String.valueOf(text).replace('\n', ' ');
    }

    /** The version that the build wrote into the jar's manifest. */
    static final class Version implements IVersionProvider {
        static String text() {
            String version = Main.class.getPackage().getImplementationVersion();
            return version == null ? "unpackaged" : version;
        }

        @Override
        public String[] getVersion() {
            return new String[] {"backstep " + text()};
        }
    }
}
