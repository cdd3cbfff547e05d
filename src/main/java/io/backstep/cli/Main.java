// SPDX-License-Identifier: Apache-2.0
package io.backstep.cli;

import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.IVersionProvider;

/** The {@code backstep} program. */
@Command(
        name = "backstep",
        description = "Keeps micro-checkpoints of running state and rolls back when a transient fault is noticed.",
        mixinStandardHelpOptions = true,
        versionProvider = Main.Version.class)
public final class Main implements Runnable {
    public static void main(String[] args) {
        System.exit(new CommandLine(new Main()).execute(args));
    }

    @Override
    public void run() {
        CommandLine.usage(this, System.err);
    }

    /** The version that the build wrote into the jar's manifest. */
    static final class Version implements IVersionProvider {
        @Override
        public String[] getVersion() {
            return new String[] {"backstep " + Main.class.getPackage().getImplementationVersion()};
        }
    }
}
