// SPDX-License-Identifier: Apache-2.0
package io.backstep.bench.vm;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.ProcessBuilder.Redirect;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** {@code backstep vm} in a process of its own, asked through its control socket. Closing lets the machine go. */
final class Backstepper implements AutoCloseable {
    private static final Pattern DURATION = Pattern.compile("\"duration_us\":([0-9.]+)");

    private final Process process;
    private final Lines control;

    Backstepper(Bed bed, Guest guest) throws IOException {
        Path errors = bed.csv().resolveSibling("backstep.log");
        process = new ProcessBuilder(bed.home().resolve("backstep").toString(), "vm", "--qmp", guest.socket().toString(),
                "--unserved-disks", "warn", "--capture", bed.disciplines().get(0).key()).redirectOutput(Redirect.DISCARD)
                .redirectError(Redirect.appendTo(errors.toFile())).start();
        Path socket = directory().resolve(guest.pid() + ".sock");
        long endNs = System.nanoTime() + TimeUnit.SECONDS.toNanos(30);
        while (!Files.exists(socket)) {
            if (!process.isAlive() || System.nanoTime() > endNs) {
                throw new IOException("backstep does not protect the guest; see " + errors);
            }
            Bed.sleepMs(5);
        }
        control = Lines.connect(socket);
    }

    private static Path directory() throws IOException {
        String base = System.getenv().getOrDefault("XDG_RUNTIME_DIR", "");
        return Path.of(base.isEmpty() ? "/tmp" : base, "backstep-" + Files.getAttribute(Path.of("/proc/self"), "unix:uid"));
    }

    long pid() {
        return process.pid();
    }

    /** Rolls the guest back; returns how long that took by backstep's clock, in ms. */
    double rollBackMs() {
        control.send("{\"command\":\"rollback\"}");
        String answer = control.next("an answer", Lines.Line::text);
        Matcher duration = DURATION.matcher(answer);
        if (!duration.find()) {
            throw new IllegalStateException("rollback: " + answer);
        }
        return Double.parseDouble(duration.group(1)) / 1e3;
    }

    @Override
    public void close() {
        process.destroy();
        try {
            process.waitFor();
            control.close();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
