// SPDX-License-Identifier: Apache-2.0
package io.backstep.cli;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * A command that was started, with all that descends from it. Between it and the test stands a reaper, which adopts what the
 * command leaves running, notes how each process ended, and ends itself when there is none any more.
 */
final class Launch {
    private static final int PRCTL = System.getProperty("os.arch").equals("aarch64") ? 167 : 157;
    private static final String REAPER = """
            my $path = shift;
            open(my $log, '>>', $path) or die "$path: $!";
            syscall(%d, 36, 1, 0, 0, 0) == 0 or die "become a subreaper: $!";
            $SIG{$_} = 'DEFAULT' for qw(HUP INT QUIT USR1 USR2 PIPE TERM CHLD TSTP TTIN TTOU);
            defined(my $child = fork) or die "fork: $!";
            if (!$child) {
                setpgrp;
                exec { $ARGV[0] } @ARGV or print STDERR "$ARGV[0]: $!\\n";
                exit 127;
            }
            syswrite $log, "start $child\\n";
            close $_ for *STDIN, *STDOUT, *STDERR;
            while ((my $pid = wait) > 0) {
                syswrite $log, "end $pid $?\\n";
            }
            """.formatted(PRCTL);
    private static final int PASSING_LIMIT_S = 20;
    private static final int SHOWN = 4000;
    private static final AtomicInteger FILES = new AtomicInteger();

    private final List<String> words;
    private final Process reaper;
    private final Path log;
    private final Path out;
    private final Path err;
    private int pid;

    Launch(List<String> words, Process reaper, Path log, Path out, Path err) {
        this.words = words;
        this.reaper = reaper;
        this.log = log;
        this.out = out;
        this.err = err;
    }

    static List<String> reaping(Path log, List<String> words) {
        List<String> all = new ArrayList<>(List.of("perl", "-e", REAPER, log.toString()));
        all.addAll(words);
        return all;
    }

    static Path newFile(Sandbox sandbox, String kind) {
        return sandbox.file(FILES.incrementAndGet() + "." + kind);
    }

    /** The command's own process, which leads a process group. */
    int pid() {
        if (pid == 0) {
            pid = Await.value("the start of " + this, () -> logged("start").keySet().stream().findFirst().orElse(null));
        }
        return pid;
    }

    /** Whose descendants all are that were started. */
    int reaperPid() {
        return (int) reaper.pid();
    }

    /** Wait statuses by process, of those that have ended. */
    Map<Integer, Integer> ended() {
        return logged("end");
    }

    private Map<Integer, Integer> logged(String what) {
        try {
            Map<Integer, Integer> found = new HashMap<>();
            if (Files.exists(log)) {
                String text = Files.readString(log);
                for (String line : text.substring(0, text.lastIndexOf('\n') + 1).lines().toList()) {
                    String[] fields = line.split(" ");
                    if (fields[0].equals(what)) {
                        found.put(Integer.parseInt(fields[1]), fields.length > 2 ? Integer.parseInt(fields[2]) : 0);
                    }
                }
            }
            return found;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    boolean hasEnded() {
        return ended().containsKey(pid());
    }

    /** Fails if the command itself has ended. */
    void requireAlive() {
        if (hasEnded()) {
            throw new AssertionError("ended too early: " + describe());
        }
    }

    /** Waits for the command's own end, and gives its status as shells do: the code, or 128 and the signal's number. */
    int status() {
        Await.until("the end of " + this, this::hasEnded);
        return shellStatus(ended().get(pid()));
    }

    static int shellStatus(int waitStatus) {
        return (waitStatus & 127) != 0 ? 128 + (waitStatus & 127) : waitStatus >> 8;
    }

    /** Waits until nothing that descends from the command lives any more. */
    Launch awaitAll() {
        if (!endsWithin(Await.LIMIT.toSeconds())) {
            throw new AssertionError("these go on: " + living() + ", of " + describe());
        }
        return this;
    }

    private boolean endsWithin(long seconds) {
        try {
            return reaper.waitFor(seconds, TimeUnit.SECONDS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new AssertionError("interrupted", e);
        }
    }

    private List<String> living() {
        return Proc.descendants(reaperPid()).stream()
                .map(process -> process + " " + Proc.state(process) + " " + Proc.commandLine(process)).toList();
    }

    /** The end of the test: names what still runs after a while, and ends it. A test that failed is not waited for. */
    List<String> end(boolean passed) {
        List<String> left = List.of();
        if (!endsWithin(passed ? PASSING_LIMIT_S : 0)) {
            left = living();
            Await.within(Await.LIMIT, () -> {
                Proc.descendants(reaperPid()).forEach(Proc::kill);
                return !reaper.isAlive();
            });
            reaper.destroyForcibly();
        }
        return left;
    }

    void signal(String name) {
        if (!Proc.signal(pid(), name)) {
            throw new AssertionError("gone before " + name + ": " + describe());
        }
    }

    /** Kills the command itself, at once. */
    void kill() {
        Proc.kill(pid());
    }

    /** What the command reads, with {@link Invocation#pipeIn()}. */
    OutputStream in() {
        return reaper.getOutputStream();
    }

    /** What the command writes, with {@link Invocation#pipeOut()}. */
    InputStream outPipe() {
        return reaper.getInputStream();
    }

    byte[] outBytes() {
        return bytes(out);
    }

    String out() {
        return new String(outBytes(), StandardCharsets.UTF_8);
    }

    byte[] errBytes() {
        return bytes(err);
    }

    String err() {
        return new String(errBytes(), StandardCharsets.UTF_8);
    }

    private static byte[] bytes(Path path) {
        try {
            return path == null || !Files.exists(path) ? new byte[0] : Files.readAllBytes(path);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    String describe() {
        return this + "\n  ended: " + ended() + "\n  out: " + shown(out()) + "\n  err: " + shown(err());
    }

    private static String shown(String text) {
        return text.length() <= SHOWN ? text : text.substring(0, SHOWN / 2) + " [...] " + text.substring(text.length() - SHOWN / 2);
    }

    @Override
    public String toString() {
        return String.join(" ", words);
    }
}
