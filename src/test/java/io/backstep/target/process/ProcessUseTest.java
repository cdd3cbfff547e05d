// SPDX-License-Identifier: Apache-2.0
package io.backstep.target.process;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.Writer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Set;
import java.util.TreeSet;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Looks at a perl program that begins to use something at each line that it reads. */
@Timeout(60)
class ProcessUseTest {
    private static final String PROGRAM = String.join("\n",
            "use Fcntl ':flock'; use Socket; use POSIX (); $| = 1;",
            "my %begin = (",
            "  nothing => sub { 1 },",
            "  socket => sub { socket(S, AF_UNIX, SOCK_STREAM, 0) },",
            "  pipe => sub { pipe(R, W) },",
            "  lock => sub { open(L, '>', \"$ARGV[0]/locked\") && flock(L, LOCK_EX) },",
            "  overwrite => sub { open(O, '+<', \"$ARGV[0]/data\") && sysread(O, my $x, 1) },",
            "  append => sub { open(A, '>>', \"$ARGV[0]/data\") },",
            "  child => sub { my $pid = fork; if (!$pid) { sleep 1000; POSIX::_exit(0) } $pid },",
            "  umask => sub { umask(umask() ^ 7); 1 },",
            "  directory => sub { chdir($ARGV[0]) },",
            "  handler => sub { $SIG{USR1} = sub { }; 1 });",
            "while (<STDIN>) { chomp; print $begin{$_}->() ? \"ok\\n\" : \"$!\\n\" }",
            "kill 'KILL', $pid if $pid;");

    @TempDir
    private Path directory;

    private Process process;
    private BufferedReader answers;
    private Writer orders;
    private ProcessUse use;

    private void start() throws IOException {
        Files.writeString(directory.resolve("data"), "some bytes");
        process = new ProcessBuilder("perl", "-e", PROGRAM, directory.toString()).start();
        answers = process.inputReader();
        orders = process.outputWriter();
        use = new ProcessUse(ProcFiles.of((int) process.pid()), true);
        begin("nothing");
    }

    @AfterEach
    void end() {
        if (process != null) {
            process.descendants().forEach(ProcessHandle::destroyForcibly);
            process.destroyForcibly();
        }
    }

    private void begin(String what) throws IOException {
        orders.write(what + "\n");
        orders.flush();
        assertEquals("ok", answers.readLine());
    }

    /** What a look finds that the one before did not. */
    private Set<String> foundAfter(String what) throws IOException {
        Set<String> before = use.look();
        begin(what);
        Set<String> now = new TreeSet<>(use.look());
        now.removeAll(before);
        return now;
    }

    private void assertFinds(String text, String what) throws IOException {
        start();
        Set<String> found = foundAfter(what);
        assertEquals(1, found.size(), found.toString());
        assertTrue(found.iterator().next().contains(text), found.toString());
    }

    @Test
    void shouldFindStandardInputOnly() throws IOException {
        start();

        assertEquals(Set.of("standard input is a pipe: what was read from it is not given again"), use.look());
    }

    @Test
    void shouldFindSockets() throws IOException {
        assertFinds("sockets (descriptor", "socket");
    }

    @Test
    void shouldFindPipes() throws IOException {
        start();
        Set<String> found = foundAfter("pipe");
        assertEquals(2, found.size(), found.toString());
        assertTrue(found.iterator().next().startsWith("pipes (descriptor"), found.toString());
    }

    @Test
    void shouldFindLocks() throws IOException {
        assertFinds("file locks (" + directory.resolve("locked") + ")", "lock");
    }

    @Test
    void shouldFindFilesThatMayBeOverwritten() throws IOException {
        assertFinds("data (descriptor", "overwrite");
    }

    @Test
    void shouldNotMindFilesThatGrow() throws IOException {
        start();
        assertEquals(Set.of(), foundAfter("append"));
    }

    @Test
    void shouldFindChildren() throws IOException {
        assertFinds("child processes", "child");
    }

    @Test
    void shouldFindSettingsThatChangeAfterTheStart() throws IOException {
        start();
        assertEquals(Set.of(), foundAfter("umask"), "just started");
        assertEquals(Set.of("a change of umask"), foundAfter("umask"));
        assertEquals(Set.of("a change of working directory"), foundAfter("directory"));
        assertEquals(Set.of("a change of signal handlers"), foundAfter("handler"));
        assertEquals(Set.of(), foundAfter("nothing"));
    }

    @Test
    void shouldFindNothingOfAProcessThatHasEnded() throws Exception {
        start();
        process.destroyForcibly().waitFor();

        assertEquals(Set.of(), use.look());
    }
}
