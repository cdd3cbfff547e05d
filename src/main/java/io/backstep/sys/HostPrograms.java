// SPDX-License-Identifier: Apache-2.0
package io.backstep.sys;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.TimeUnit;

import io.backstep.sys.Facility.State;

/** The other programs of a host, looked up as a shell does and asked for their version. */
final class HostPrograms {
    private static final int ANSWER_LIMIT_S = 3;
    private static final int ANSWER_LIMIT_BYTES = 4096;

    private final String searchPath;

    /** @param searchPath as the variable PATH has it; null for nowhere */
    HostPrograms(String searchPath) {
        this.searchPath = searchPath == null ? "" : searchPath;
    }

    List<Facility> facilities() {
        return List.of(
                find("QEMU", "qemu-system-x86_64", "virtual machines cannot be protected; processes can",
                        "install QEMU (Debian: qemu-system-x86)"),
                find("CRIU", "criu", "there is nothing to compare backstep with; nothing else uses it",
                        "install CRIU, 4.1 or newer on a new kernel (Debian: criu)"));
    }

    private Facility find(String name, String program, String cost, String remedy) {
        for (String directory : searchPath.split(":")) {
            Path path = Path.of(directory.isEmpty() ? "." : directory, program);
            if (Files.isRegularFile(path) && Files.isExecutable(path)) {
                return new Facility(name, State.OK, version(path) + " (" + path + ")", false, cost, remedy);
            }
        }
        return new Facility(name, State.MISSING, "no " + program + " in PATH", false, cost, remedy);
    }

    private static String version(Path program) {
        try {
            Process process = new ProcessBuilder(program.toString(), "--version").redirectErrorStream(true).start();
            process.getOutputStream().close();
            if (!process.waitFor(ANSWER_LIMIT_S, TimeUnit.SECONDS)) {
                process.destroyForcibly();
                return "does not tell its version";
            }
            byte[] answer = process.getInputStream().readNBytes(ANSWER_LIMIT_BYTES);
            return versionIn(new String(answer, StandardCharsets.UTF_8));
        } catch (IOException e) {
            return "cannot be run";
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return "version not asked for";
        }
    }

    /** What follows the word "version". */
    static String versionIn(String answer) {
        int word = answer.toLowerCase(Locale.ROOT).indexOf("version");
        if (word < 0) {
            return "does not tell its version";
        }
        int from = word + "version".length();
        while (from < answer.length() && (answer.charAt(from) == ':' || answer.charAt(from) == ' ')) {
            from++;
        }
        int to = from;
        while (to < answer.length() && !Character.isWhitespace(answer.charAt(to))) {
            to++;
        }
        return to == from ? "does not tell its version" : answer.substring(from, to);
    }
}
