// SPDX-License-Identifier: Apache-2.0
package io.backstep.cli;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;

import org.HdrHistogram.EncodableHistogram;
import org.HdrHistogram.Histogram;
import org.HdrHistogram.HistogramLogReader;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** A program under {@code backstep run} does what it would do alone: its output, its status, its surroundings. */
@Timeout(value = 3, unit = TimeUnit.MINUTES)
class RunIT {
    private static final List<String> QUIET = List.of("--log", "error");
    private static final List<String> QUIET_AND_OFTEN = List.of("--log", "error", "--interval", "5ms");
    private static final int BIG_LINES = 14_000_000; // 110 MB

    private static long seed;

    @RegisterExtension
    final Sandbox sandbox = new Sandbox();

    @BeforeAll
    static void chooseSeed() {
        seed = Seed.of(RunIT.class);
    }

    private Invocation quietly(String... program) {
        return sandbox.run(QUIET, List.of(program));
    }

    private Invocation quietly(Victim victim) {
        return sandbox.run(QUIET_AND_OFTEN, victim.command());
    }

    private static void assertEndedAsAlone(Launch launch, Victim victim) {
        assertEquals(0, launch.status(), launch.describe());
        assertArrayEquals(victim.undisturbed(), launch.outBytes(), launch.describe());
    }

    private Path randomBytes(String name, int index, int length) throws IOException {
        byte[] bytes = new byte[length];
        Seed.random(seed, index).nextBytes(bytes);
        return Files.write(sandbox.file(name), bytes);
    }

    /* ---- status ---- */

    @ParameterizedTest
    @ValueSource(ints = {0, 1, 42, 121, 127, 255})
    void shouldGiveProgramsStatus(int status) {
        assertEquals(status, quietly("sh", "-c", "exit " + status).toEnd().status());
    }

    @ParameterizedTest
    @CsvSource({"HUP, 1", "INT, 2", "KILL, 9", "USR1, 10", "SEGV, 11", "PIPE, 13", "ALRM, 14", "TERM, 15", "40, 40"})
    void shouldGiveStatusOfSignalThatEndedProgram(String signal, int number) {
        Launch launch = quietly("sh", "-c", "kill -" + signal + " $$").toEnd();

        assertEquals(128 + number, launch.status(), launch.describe());
    }

    /* ---- output ---- */

    @Test
    void shouldPassBothStreamsBitForBit() throws IOException {
        Path first = randomBytes("first", 1, 5_000_001);
        Path second = randomBytes("second", 2, 3_000_001);

        Launch launch = quietly("sh", "-c", "cat " + first + "; exec cat " + second + " >&2").toEnd();

        assertEquals(0, launch.status());
        assertArrayEquals(Files.readAllBytes(first), launch.outBytes());
        assertArrayEquals(Files.readAllBytes(second), launch.errBytes());
    }

    @ParameterizedTest
    @ValueSource(strings = {"hold", "pass"})
    void shouldKeepOrderOfStreamsThatLeadToOneFile(String output) {
        String script = "i=0; while [ $i -lt 3000 ]; do echo out $i; echo err $i >&2; i=$((i+1)); done";

        Launch launch = sandbox.run(List.of("--log", "error", "--output", output), List.of("sh", "-c", script)).errorIntoOut().toEnd();

        StringBuilder expected = new StringBuilder();
        for (int i = 0; i < 3000; i++) {
            expected.append("out ").append(i).append("\nerr ").append(i).append('\n');
        }
        assertEquals(expected.toString(), launch.out());
    }

    @ParameterizedTest
    @ValueSource(strings = {"hold", "pass"})
    void shouldPassMuchOutputThroughPipe(String output) {
        String[] toDigest = {"sh", "-c", "\"$0\" \"$@\" | sha256sum"};
        String[] program = {"seq", "1", Integer.toString(BIG_LINES)};
        Launch alone = sandbox.command(program).under(toDigest).toEnd();

        Launch launch = sandbox.run(List.of("--log", "error", "--output", output), List.of(program)).under(toDigest).toEnd();

        assertEquals(64, launch.out().indexOf(' '), launch.describe());
        assertEquals(alone.out(), launch.out());
    }

    @ParameterizedTest
    @ValueSource(strings = {"hold", "pass"})
    void shouldEndProgramWhoseReaderHasGone(String output) throws IOException {
        Launch launch = sandbox.run(List.of("--log", "error", "--output", output), List.of("yes")).pipeOut().start();
        byte[] head = launch.outPipe().readNBytes(10);
        launch.outPipe().close();

        assertEquals("y\ny\ny\ny\ny\n", new String(head, StandardCharsets.US_ASCII));
        assertEquals(128 + 13, launch.status(), launch.describe());
    }

    @Test
    void shouldAppendToFile() throws IOException {
        Path file = Files.writeString(sandbox.file("appended"), "before\n");
        Victim victim = Victim.of("server", seed & 0xffff, 500);

        Launch launch = quietly(victim).appendTo(file).toEnd();

        assertEquals(0, launch.status(), launch.describe());
        assertEquals("before\n" + new String(victim.undisturbed(), StandardCharsets.US_ASCII), Files.readString(file));
    }

    @Test
    void shouldWriteAtOnceWhenOutputPasses() throws IOException {
        Launch launch = sandbox.run(List.of("--output", "pass", "--interval", "1h"),
                List.of("sh", "-c", "echo first; read line; echo $line")).pipeIn().start();

        Await.until("the first line has come", () -> launch.out().equals("first\n"));
        try (OutputStream in = launch.in()) {
            in.write("second\n".getBytes(StandardCharsets.US_ASCII));
        }
        assertEquals(0, launch.status(), launch.describe());
        assertEquals("first\nsecond\n", launch.out());
    }

    @Test
    void shouldLetGoOfHeldOutputWithTime() {
        Launch launch = sandbox.run(List.of("--interval", "20ms"), List.of("sh", "-c", "echo first; exec sleep 1000")).start();

        Await.until("the first line has come", () -> launch.out().equals("first\n"));
        Proc.kill(sandbox.awaitTarget(launch));
        assertEquals(128 + 9, launch.status(), launch.describe());
    }

    /* ---- input and surroundings ---- */

    @Test
    void shouldPassInputFromFileAndFromPipe() throws IOException {
        Path requests = sandbox.file("requests");
        Victim emit = Victim.of("server", seed & 0xffff, 400, "--emit");
        Files.write(requests, emit.undisturbed());
        Victim serve = Victim.of("server", seed & 0xffff, 400, "-");
        byte[] expected = sandbox.command(serve.words()).in(requests).toEnd().outBytes();

        Launch fromFile = quietly(serve).in(requests).toEnd();
        Launch fromPipe = quietly(serve).pipeIn().start();
        try (OutputStream in = fromPipe.in()) {
            in.write(Files.readAllBytes(requests));
        }

        assertTrue(expected.length > 100_000);
        assertArrayEquals(expected, fromFile.outBytes(), fromFile.describe());
        assertEquals(0, fromPipe.awaitAll().status(), fromPipe.describe());
        assertArrayEquals(expected, fromPipe.outBytes());
    }

    @Test
    void shouldLeaveSurroundingsAsTheyAre() {
        String script = "env -0 | sort -z; pwd -P; umask; ulimit -a; ulimit -Ha; id; cat /proc/self/coredump_filter"
                + " /proc/self/oom_score_adj; grep -E 'Sig(Pnd|Blk|Ign|Cgt)|Cpus_allowed|NoNewPrivs|Seccomp' /proc/self/status";
        // The shell would count its own way here, so each runs below the same one.
        String[] strangely = {"sh", "-c", "umask 027; ulimit -Sn 512; ulimit -Sc 0; trap '' PIPE USR2; exec nice -n 3 \"$0\" \"$@\""};
        Invocation alone = sandbox.command("sh", "-c", script).set("WEIRD", "a=b \n\t'\"$x\\").under(strangely);
        Invocation protectedToo = quietly("sh", "-c", script).set("WEIRD", "a=b \n\t'\"$x\\").under(strangely);

        assertEquals(alone.toEnd().out(), protectedToo.toEnd().out());
    }

    @Test
    void shouldPassDescriptorsOn() throws IOException {
        Path file = Files.writeString(sandbox.file("inherited"), "well\n");
        String[] withThree = {"sh", "-c", "exec \"$0\" \"$@\" 3<" + file};

        Launch launch = quietly("sh", "-c", "cat <&3").under(withThree).toEnd();

        assertEquals("well\n", launch.out(), launch.describe());
    }

    @Test
    void shouldNotGiveProgramTheFilesOfBackstep() {
        String[] closed = {"sh", "-c", "exec \"$0\" \"$@\" <&- >&-"};
        String list = "for f in 0 1 2 3 4 5 6 7 8 9; do readlink /proc/$$/fd/$f >&2; done";

        String found = quietly("sh", "-c", list).under(closed).toEnd().err();

        assertFalse(found.contains("jvm") || found.contains("jar") || found.contains("memfd") || found.contains("anon_inode"), found);
    }

    @ParameterizedTest
    @ValueSource(strings = {"C", "C.UTF-8"})
    void shouldPassArgumentsByteForByte(String locale) throws IOException {
        Files.writeString(sandbox.working().resolve("file"), "expanded");
        String[] quoted = {"sh", "-c", "printf '\\303\\244|\\377|\\342\\202\\254' > bytes; \"$@\" \"$(cat bytes)\" '' 'a b' \"'q'\" '\"' '*' '$HOME' "
                + "'%n' '\\' -- --help -h @file 'x\ny'; rm bytes file", "sh"};

        Launch launch = quietly("printf", "[%s]").set("LC_ALL", locale).under(quoted).toEnd();

        String expected = "[\u00c3\u00a4|\u00ff|\u00e2\u0082\u00ac][][a b]['q'][\"][*][$HOME][%n][\\][--][--help][-h][@file][x\ny]";
        assertEquals(expected, new String(launch.outBytes(), StandardCharsets.ISO_8859_1), launch.describe());
    }

    /* ---- kinds of programs ---- */

    static Stream<Victim> victims() {
        return Stream.of(Victim.of("writers", 3, 400), Victim.of("threads", 3, 400), Victim.of("threads", 3, 300, 16),
                Victim.of("simd", 3, 300), Victim.of("layout", 3, 300), Victim.of("layout", 3, 200, "--strict"), Victim.of("signals", 3, 400),
                Victim.of("signals", 3, 300, "--strict"), Victim.of("server", 3, 600), Victim.of("execer", 3, 500, "main"),
                Victim.of("execer", 3, 500, "thread"), Victim.of("forker", 3, 400, 8, "--strict"), Victim.of("churn", 3, 300),
                Victim.of("blocking", 3, 400, "idle", "--strict"), Victim.of("blocking", 3, 400, "traffic", "--strict"),
                Victim.of("dirty", 16, 500, 5, 60), Victim.of("crasher", 3, 300, "none"), Victim.of("blocks", 3, 800, "--forks"));
    }

    @ParameterizedTest
    @MethodSource("victims")
    void shouldNotDisturb(Victim victim) {
        assertEndedAsAlone(quietly(victim).toEnd(), victim);
    }

    @Test
    void shouldNotDisturbProgramThatWritesFiles() throws IOException {
        Path alone = sandbox.file("alone");
        Path written = sandbox.file("written");
        Victim victim = Victim.of("files", 3, 400, alone);
        victim.undisturbed();

        Launch launch = quietly(Victim.of("files", 3, 400, written)).toEnd();

        assertEquals(0, launch.status(), launch.describe());
        assertArrayEquals(victim.undisturbed(), launch.outBytes());
        assertEquals(-1, Files.mismatch(alone, written));
    }

    @Test
    void shouldRunStaticProgram() throws IOException {
        Path source = Sandbox.LAUNCHER.resolveSibling("native/test/victims/writers.c");
        Path program = sandbox.file("static");
        Launch build = sandbox.command("gcc", "-std=c11", "-O2", "-static", "-o", program.toString(), source.toString()).toEnd();
        assumeTrue(build.status() == 0, "no static C library here");
        Victim victim = new Victim(List.of(program.toString(), "3", "400"));

        assertEndedAsAlone(quietly(victim).toEnd(), victim);
    }

    @Test
    void shouldRunScript() throws IOException {
        Path script = Files.writeString(sandbox.file("script"), "#!/bin/sh\nprintf '[%s]' \"$0\" \"$@\"\nexit 9\n");
        Files.setPosixFilePermissions(script, PosixFilePermissions.fromString("rwx------"));

        Launch launch = quietly(script.toString(), "a", "b").toEnd();

        assertEquals(9, launch.status(), launch.describe());
        assertEquals("[" + script + "][a][b]", launch.out());
    }

    /* ---- faults ---- */

    @ParameterizedTest
    @CsvSource({"segv, SEGV, 11", "abrt, ABRT, 6", "fpe, FPE, 8", "ill, ILL, 4", "bus, BUS, 7", "sys, SYS, 31"})
    void shouldLetPermanentFaultTakeItsCourse(String fault, String name, int number) throws IOException {
        Path report = sandbox.file("report.json");
        Launch alone = sandbox.command(Victim.of("crasher", 3, 300, fault).words()).toEnd();
        List<String> program = Victim.of("crasher", 3, 300, fault).command();

        Launch launch = sandbox.run(List.of("--interval", "20ms", "--report", report.toString()), program).toEnd();

        assertEquals(128 + number, alone.status());
        assertEquals(128 + number, launch.status(), launch.describe());
        assertEquals(alone.out(), launch.out());
        assertTrue(launch.err().contains("no checkpoint is left to try, the error takes its course: SIG" + name), launch.describe());
        Json told = Json.parse(Files.readString(report));
        assertEquals("SIG" + name, told.text("exit.signal"));
        assertNull(told.at("exit.code"));
        List<Json> rollbacks = told.list("rollbacks");
        assertTrue(rollbacks.size() >= 3, told.toString());
        for (int i = 1; i < 3; i++) {
            assertTrue(rollbacks.get(i).number("to_checkpoint") < rollbacks.get(i - 1).number("to_checkpoint"), told.toString());
        }
    }

    @Test
    void shouldRecoverFromInjectedFaultAndReportIt() throws IOException {
        Path report = sandbox.file("report.json");
        Path histograms = sandbox.file("run.hlog");
        Victim victim = Victim.of("server", seed & 0xffff, 1500);

        Launch launch = sandbox.run(List.of("--interval", "20ms", "--keep", "4", "--inject", "register:rip@300ms,seed=7,bits=24",
                "--report", report.toString(), "--histograms", histograms.toString()), victim.command()).start();
        int target = sandbox.awaitTarget(launch);
        launch.awaitAll();

        assertEndedAsAlone(launch, victim);
        Json told = Json.parse(Files.readString(report));
        assertFalse(told.text("version").isEmpty());
        assertEquals("process", told.text("target.kind"));
        assertEquals("server", told.text("target.name"));
        assertEquals(target, told.number("target.pid"));
        assertEquals(20, told.number("interval_ms"));
        assertEquals("copy", told.text("capture"));
        told.text("predictor");
        double elapsedMs = told.number("elapsed_ms");
        assertTrue(elapsedMs > 300 && elapsedMs < 60_000, told.toString());
        double taken = told.number("checkpoints.taken");
        assertTrue(taken >= 5 && taken <= elapsedMs / 10 && told.number("checkpoints.kept") == 4, told.toString());
        assertEquals(0, told.number("checkpoints.failed"));
        assertHistogram(told, "pause_us", taken);
        assertEquals(taken, countOf(histograms, "pause-ns"));
        assertEquals(told.number("latency_ms.count"), countOf(histograms, "latency-ns"));
        assertTrue(countOf(histograms, "recall-permille") > 0);
        for (String phase : List.of("freeze", "scan", "copy", "state", "thaw")) {
            assertHistogram(told, "phase_us." + phase, taken);
            assertTrue(told.number("phase_us." + phase + ".max") <= told.number("pause_us.max") * 1.01, told.toString());
        }
        assertTrue(told.number("pages.tracked") >= told.number("pages.dirty_mean") && told.number("pages.copied_mean") > 0, told.toString());
        assertTrue(told.number("memory_bytes.peak") >= told.number("memory_bytes.mirror") + told.number("memory_bytes.undo"), told.toString());
        told.at("pages.prediction.precision");
        told.at("pages.prediction.recall");
        assertEquals(0, told.number("exit.code"));
        assertNull(told.at("exit.signal"));
        assertRecovery(told);
    }

    @Test
    void shouldTakeFaultForPermanentThatComesBackFromOldCheckpoint() throws IOException {
        List<String> program = Victim.of("crasher", 3, 300, "segv").command();

        Launch launch = sandbox.run(List.of("--interval", "20ms", "--error-latency", "exp:mean=20ms"), program).toEnd();

        assertEquals(128 + 11, launch.status(), launch.describe());
        assertTrue(launch.err().contains("the fault seems to be permanent"), launch.describe());
    }

    @Test
    void shouldRecoverByHeldWritesAndReportIt() throws IOException {
        Path report = sandbox.file("report.json");
        Victim victim = Victim.of("server", seed & 0xffff, 1500);

        Launch launch = sandbox.run(List.of("--capture", "cow", "--interval", "20ms", "--inject",
                "register:rip@300ms,seed=7,bits=24", "--inject", "register:rip@600ms,seed=3,bits=24", "--report",
                report.toString()), victim.command()).toEnd();

        assertEndedAsAlone(launch, victim);
        Json told = Json.parse(Files.readString(report));
        assertEquals("cow", told.text("capture"));
        assertEquals(0, told.number("checkpoints.failed"));
        assertTrue(told.number("pages.saved_mean") > 0, told.toString());
        List<Json> rollbacks = told.list("rollbacks");
        assertTrue(rollbacks.size() >= 2, told.toString());
        assertEquals("recovered", rollbacks.get(rollbacks.size() - 1).text("outcome"));
    }

    /** The interval is long enough for more held writes than the budget has frames, 2048, on a slow machine too. */
    @Test
    void shouldSurviveBurstWithATinyBudget() throws IOException {
        Victim victim = Victim.of("dirty", 64, 16_384, 10, 150, "random");

        Launch launch = sandbox.run(
                List.of("--capture", "cow", "--interval", "500ms", "--memory-budget", "8M"), victim.command()).toEnd();

        assertEndedAsAlone(launch, victim);
        assertTrue(launch.err().contains("protection has stopped, the target runs on without it"), launch.describe());
    }

    /** The program runs into its error, since nothing can be restored. */
    @Test
    void shouldSayThatMemoryWasGivenBack() {
        Launch launch = sandbox.run(List.of("--capture", "cow", "--interval", "20ms"),
                Victim.of("layout", 3, 700).command()).toEnd();

        assertEquals(0, launch.status(), launch.describe());
        assertTrue(launch.err().contains("memory was given back before it was saved"), launch.describe());
    }

    private static long countOf(Path log, String tag) throws IOException {
        HistogramLogReader reader = new HistogramLogReader(log.toFile());
        for (EncodableHistogram read; (read = reader.nextIntervalHistogram()) != null;) {
            if (read.getTag().equals(tag)) {
                return ((Histogram) read).getTotalCount();
            }
        }
        throw new AssertionError("no " + tag + " in " + Files.readString(log));
    }

    private static void assertHistogram(Json told, String path, double count) {
        assertEquals(count, told.number(path + ".count"), told.toString());
        double before = 0;
        for (String point : List.of("p50", "p90", "p99", "max")) {
            double now = told.number(path + "." + point);
            assertTrue(now >= before, path + " in " + told);
            before = now;
        }
    }

    private static void assertRecovery(Json told) {
        Json fault = told.list("faults").get(0);
        assertTrue(fault.number("at_ms") >= 300 && fault.text("model").equals("register") && fault.text("where").contains("rip")
                && fault.number("seed") == 7, told.toString());
        Json detection = told.list("detections").get(0);
        assertTrue(detection.number("at_ms") >= fault.number("at_ms") && detection.text("detector").equals("signal")
                && detection.text("what").equals("SIGSEGV") && detection.number("latency_ms") >= 0, told.toString());
        List<Json> rollbacks = told.list("rollbacks");
        for (int i = 0; i < rollbacks.size(); i++) { // a capture may have come between the fault and its effect
            Json rollback = rollbacks.get(i);
            boolean isLast = i == rollbacks.size() - 1;
            assertTrue(rollback.number("at_ms") >= detection.number("at_ms") && rollback.number("age_ms") > 0
                    && rollback.number("attempt") == i + 1 && rollback.number("pages_written") > 0 && rollback.number("duration_us") > 0
                    && rollback.number("to_checkpoint") >= 0 && rollback.text("outcome").equals(isLast ? "recovered" : "returned"),
                    told.toString());
        }
        assertFalse(rollbacks.isEmpty(), told.toString());
    }

    /* ---- signals to backstep ---- */

    private static final String PATIENT = "$SIG{$_} = sub { print \"got $_[0]\\n\"; exit 5 } for qw(HUP INT TERM QUIT); select(undef, undef, undef, 0.01) while 1";

    private Launch startPatient() {
        Launch launch = quietly("perl", "-e", PATIENT).start();
        int target = sandbox.awaitTarget(launch);
        Await.until("it has its handlers", () -> {
            launch.requireAlive();
            String caught = Proc.status(target, "SigCgt");
            return caught != null && (Long.parseUnsignedLong(caught, 16) >> 14 & 1) == 1;
        });
        return launch;
    }

    @ParameterizedTest
    @ValueSource(strings = {"TERM", "HUP"})
    void shouldPassSignalOnToProgram(String signal) {
        Launch launch = startPatient();

        launch.signal(signal);

        assertEquals(5, launch.status(), launch.describe());
        assertEquals("got " + signal + "\n", launch.out());
    }

    @ParameterizedTest
    @ValueSource(strings = {"INT", "QUIT"})
    void shouldLeaveSignalOfTerminalToProgram(String signal) {
        Launch toBoth = startPatient();
        Proc.signal(-toBoth.pid(), signal);
        assertEquals(5, toBoth.status(), toBoth.describe());
        assertEquals("got " + signal + "\n", toBoth.out());

        Victim victim = Victim.of("server", seed & 0xffff, 1500);
        Launch toBackstepAlone = quietly(victim).start();
        sandbox.awaitTarget(toBackstepAlone);
        toBackstepAlone.signal(signal);
        assertEndedAsAlone(toBackstepAlone.awaitAll(), victim);
    }

    @Test
    void shouldEndProgramThatHasNoHandlerBySignal() {
        Launch launch = quietly("sleep", "1000").start();
        sandbox.awaitTarget(launch);

        launch.signal("TERM");

        assertEquals(128 + 15, launch.status(), launch.describe());
    }

    @ParameterizedTest
    @ValueSource(strings = {"TERM", "INT"})
    void shouldNotLoseSignalThatComesDuringStart(String signal) {
        boolean isFromTerminal = signal.equals("INT");
        for (int i = 0; i < 20; i++) {
            Launch launch = quietly("sleep", "1000").start();
            int backstep = launch.pid();
            Await.pause(Seed.random(seed, 100 + i).nextInt(300));
            Proc.signal(isFromTerminal ? -backstep : backstep, signal);
            assertEquals(128 + (isFromTerminal ? 2 : 15), launch.awaitAll().status(), launch.describe());
        }
    }

    /* ---- the end of protection ---- */

    @Test
    void shouldLetGoAfterDuration() throws IOException {
        Path report = sandbox.file("report.json");
        Victim victim = Victim.of("server", seed & 0xffff, 4000);

        Launch launch = sandbox.run(List.of("--duration", "300ms", "--report", report.toString()), victim.command()).start();
        int target = sandbox.awaitTarget(launch);

        assertEquals(0, launch.status(), launch.describe());
        assertTrue(Proc.exists(target), "the program should outlast its protection: " + launch.describe());
        assertEquals(0, Proc.tracerOf(target));
        launch.awaitAll();
        assertEquals(0, launch.ended().get(target), launch.describe());
        assertArrayEquals(victim.undisturbed(), launch.outBytes());
        assertNull(Json.parse(Files.readString(report)).at("exit.code"));
    }

    @Test
    void shouldGoOnWithoutProtectionWhenMemoryIsUsedUp() {
        Victim victim = Victim.of("writers", 3, 500);

        Launch launch = sandbox.run(List.of("--memory-budget", "4M"), victim.command()).toEnd();

        assertEndedAsAlone(launch, victim);
        assertTrue(launch.err().contains("protection has stopped"), launch.describe());
    }

    /* ---- what is told ---- */

    @Test
    void shouldShowStatusLineOnTerminalOnly() throws IOException {
        assumeTrue(sandbox.command("script", "--version").toEnd().status() == 0, "no script(1) to make a terminal");
        List<String> words = new ArrayList<>(List.of(Sandbox.LAUNCHER.toString(), "run", "--"));
        words.addAll(Victim.of("writers", 3, 700).command());

        Launch onTerminal = sandbox.command("script", "-qec", String.join(" ", words), "/dev/null").toEnd();
        Launch onFile = sandbox.command(words.toArray(new String[0])).toEnd();

        assertTrue(onTerminal.out().contains("\rbackstep ") && onTerminal.out().contains("rollbacks 0"), onTerminal.describe());
        assertFalse((onFile.err() + onFile.out()).contains("\r"), onFile.describe());
        assertTrue(onFile.err().contains("exit         code 0"), onFile.describe());
    }

    @Test
    void shouldSayNothingOfItsOwnWhenQuiet() {
        Launch launch = quietly("true").toEnd();

        assertEquals("", launch.err() + launch.out());
    }
}
