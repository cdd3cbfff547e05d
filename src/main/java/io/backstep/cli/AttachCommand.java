// SPDX-License-Identifier: Apache-2.0
package io.backstep.cli;

import java.util.concurrent.Callable;

import io.backstep.Backstep;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Parameters;

/** {@code backstep attach}: protects a running process. */
@Command(
        name = "attach",
        description =
                "Protects a running process. An interrupt, 'backstep ctl PID detach' or the end of --duration lets "
                + "it go; it runs on "
                + "untouched.",
        mixinStandardHelpOptions = true, sortOptions = false,
        footer = {"", "The exit status is 0, or one of: " + ExitStatus.SUMMARY})
final class AttachCommand implements Callable<Integer> {
    @Mixin
    private ProtectionOptions options;

    @Parameters(paramLabel = "PID", description = "The process.")
    private int pid;

    @Override
    public Integer call() {
        if (pid <= 0) {
            throw new IllegalArgumentException("PID must be a positive number, not " + pid);
        }
        return new Protection(options, Protection.Origin.FOUND).run(new Backstep.Context().process(pid));
    }
}
