// SPDX-License-Identifier: Apache-2.0
package io.backstep.cli;

import java.io.IOException;
import java.io.PrintWriter;
import java.util.List;
import java.util.Map;
import java.util.OptionalLong;
import java.util.concurrent.Callable;
import java.util.function.Supplier;

import picocli.CommandLine.Command;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;
import picocli.CommandLine.TypeConversionException;

/** {@code backstep ctl}: asks something of the backstep that protects a process. */
@Command(
        name = "ctl",
        description = "Asks something of the backstep that protects a process: how it stands, a checkpoint now, a "
                + "rollback now, or to let go of it.",
        mixinStandardHelpOptions = true,
        sortOptions = false,
        footer = {"", "The exit status is 0 if it was done, " + ExitStatus.CANNOT_ATTACH
                + " if no backstep protects the process, " + ExitStatus.FAILED + " if it was not done, "
                + ExitStatus.USAGE + " for bad usage."})
final class CtlCommand implements Callable<Integer> {
    @Spec
    private CommandSpec spec;

    @Parameters(index = "0", paramLabel = "PID", description = "The protected process.")
    private int pid;

    @Parameters(index = "1", paramLabel = "COMMAND", converter = CommandName.class,
            description = "status, checkpoint, rollback or detach.")
    private ControlRequest.Command command;

    @Option(names = "--to", paramLabel = "N",
            description = "The checkpoint to roll back to (default: the one that backstep would choose).")
    private Long to;

    @Option(names = "--json", description = "Print the reply as it came, one JSON object.")
    private boolean json;

    private final Supplier<List<ControlDirectory>> directories;
    private final long timeoutMs;

    CtlCommand() {
        this(ControlDirectory::candidates, ControlClient.TIMEOUT_MS);
    }

    CtlCommand(Supplier<List<ControlDirectory>> directories, long timeoutMs) {
        this.directories = directories;
        this.timeoutMs = timeoutMs;
    }

    @Override
    public Integer call() {
        ControlRequest request = new ControlRequest(command, to == null ? OptionalLong.empty() : OptionalLong.of(to));
        checkUsage();
        try (ControlClient client = ControlClient.connect(directories.get(), pid, timeoutMs)) {
            if (client == null) {
                return failed(ExitStatus.CANNOT_ATTACH, "no backstep protects process " + pid);
            }
            String reply = client.ask(request);
            Map<String, Object> fields = ControlProtocol.parseReply(reply);
            return tell(reply, fields);
        } catch (IOException e) {
            return failed(ExitStatus.FAILED, "process " + pid + ": " + e.getMessage());
        }
    }

    private void checkUsage() {
        if (pid <= 0) {
            throw new ParameterException(spec.commandLine(), "PID must be a positive number, not " + pid);
        }
        if (to != null && command != ControlRequest.Command.ROLLBACK) {
            throw new ParameterException(spec.commandLine(), "--to goes with rollback only, not with " + command.key());
        }
        if (to != null && to < 0) {
            throw new ParameterException(spec.commandLine(), "--to must be the number of a checkpoint, not " + to);
        }
    }

    private int tell(String reply, Map<String, Object> fields) {
        boolean done = Boolean.TRUE.equals(fields.get("ok"));
        if (json) {
            print(spec.commandLine().getOut(), reply);
        } else if (done) {
            spec.commandLine().getOut().print(ReplyText.render(fields));
            spec.commandLine().getOut().flush();
        } else {
            print(spec.commandLine().getErr(), "backstep: " + ReplyText.plain(fields.get("error")));
        }
        return done ? 0 : ExitStatus.FAILED;
    }

    private int failed(int status, String error) {
        if (json) {
            print(spec.commandLine().getOut(), ControlProtocol.failure(null, error));
        } else {
            print(spec.commandLine().getErr(), "backstep: " + error);
        }
        return status;
    }

    private static void print(PrintWriter out, String line) {
        out.println(line);
        out.flush();
    }

    /** Reads a command's name. */
    static final class CommandName implements ITypeConverter<ControlRequest.Command> {
        @Override
        public ControlRequest.Command convert(String name) {
            ControlRequest.Command command = ControlRequest.Command.of(name);
            if (command == null) {
                throw new TypeConversionException("'" + name + "' is none of " + ControlRequest.Command.keys());
            }
            return command;
        }
    }
}
