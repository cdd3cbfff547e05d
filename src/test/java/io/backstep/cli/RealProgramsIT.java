// SPDX-License-Identifier: Apache-2.0
package io.backstep.cli;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.TimeUnit;

import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Programs that people use, rolled back again and again at random moments: their output is that of an undisturbed run. */
@Timeout(value = 4, unit = TimeUnit.MINUTES)
class RealProgramsIT {
    private static final int ROLLBACKS = 25;
    private static final int ROLLBACKS_AT_LEAST = 5;

    private static long seed;

    @RegisterExtension
    final Sandbox sandbox = new Sandbox();

    @BeforeAll
    static void chooseSeed() {
        seed = Seed.of(RealProgramsIT.class);
    }

    private void assertUndisturbed(String... command) {
        long startNs = System.nanoTime();
        Launch alone = sandbox.command(command).toEnd();
        long aloneMs = TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - startNs);
        assertEquals(0, alone.status(), alone.describe());
        assertTrue(alone.outBytes().length > 0);

        Launch run = rollBackAgainAndAgain(aloneMs, command);

        assertArrayEquals(alone.outBytes(), run.outBytes(), run.describe());
    }

    /** For programs that the tests do not ask to be installed. */
    private void assumeInstalled(String program) {
        assumeTrue(sandbox.command("sh", "-c", "command -v " + program).toEnd().status() == 0, program + " is not installed");
    }

    /** As often as it can be while the program lives, up to a limit that is reached at half of its time. */
    private Launch rollBackAgainAndAgain(long aloneMs, String... command) {
        Launch run = sandbox.run(List.of("--interval", "20ms", "--keep", "4"), List.of(command)).start();
        Ctl ctl = sandbox.ctl(sandbox.awaitTarget(run));
        SplittableRandom random = Seed.random(seed, command[0].hashCode());
        int done = 0;
        while (done < ROLLBACKS) {
            Await.pause(random.nextLong(1 + aloneMs / ROLLBACKS));
            Json reply = ctl.askOrNull(random.nextBoolean() ? Ctl.request("rollback") : toAnyKept(ctl, random));
            if (reply == null) {
                break; // it has ended
            }
            // Refused is what has gone meanwhile, and on probation what has nothing older.
            done += Boolean.TRUE.equals(reply.at("ok")) ? 1 : 0;
        }
        run.awaitAll();
        assertEquals(0, run.status(), run.describe());
        System.out.println("RealProgramsIT: " + Path.of(command[0]).getFileName() + ", " + aloneMs + " ms alone, rolled back "
                + done + " times");
        assertTrue(done >= ROLLBACKS_AT_LEAST, "only " + done + " rollbacks: " + run.describe());
        return run;
    }

    /** A request that is refused names the checkpoints that are kept. */
    private static String toAnyKept(Ctl ctl, SplittableRandom random) {
        Json refusal = ctl.askOrNull(Ctl.rollbackTo(Long.MAX_VALUE));
        String error = refusal == null ? "" : refusal.text("error");
        String[] kept = error.substring(error.indexOf(" are ") + 1).replaceAll("[^\\d,]", "").split(",");
        String wanted = kept[random.nextInt(kept.length)];
        return wanted.isEmpty() ? Ctl.request("rollback") : Ctl.rollbackTo(Long.parseLong(wanted));
    }

    /** Text that compresses about as English does. */
    private Path text(int length) throws IOException {
        SplittableRandom random = Seed.random(seed, 1);
        String[] words = new String[5000];
        for (int i = 0; i < words.length; i++) {
            words[i] = Long.toString(random.nextLong(1, 1L << random.nextInt(8, 40)), 36);
        }
        StringBuilder text = new StringBuilder(length + 100);
        while (text.length() < length) {
            int choice = random.nextInt(words.length);
            text.append(words[random.nextInt(choice + 1)]).append(random.nextInt(12) == 0 ? '\n' : ' ');
        }
        return Files.writeString(sandbox.file("text"), text.append('\n'));
    }

    private Path script(String name, String... lines) throws IOException {
        return Files.writeString(sandbox.file(name), String.join("\n", lines) + "\n");
    }

    @Test
    void shouldCompressByBzip2() throws IOException {
        assertUndisturbed("bzip2", "-9", "-c", text(30_000_000).toString());
    }

    @Test
    void shouldCompressByXz() throws IOException {
        assertUndisturbed("xz", "-T1", "-6", "-c", text(4_000_000).toString());
    }

    @Test
    void shouldCompressByGzip() throws IOException {
        assumeInstalled("gzip");
        assertUndisturbed("gzip", "-9", "-n", "-c", text(40_000_000).toString());
    }

    @Test
    void shouldSort() throws IOException {
        assumeInstalled("sort");
        assertUndisturbed("sort", "--parallel=1", "-S", "1G", "-f", "-k", "2", text(32_000_000).toString());
    }

    @Test
    void shouldCountByAwk() throws IOException {
        assumeInstalled("awk");
        assertUndisturbed("awk", "{ for (i = 1; i <= NF; i++) { n[$i]++; s = (s * 31 + length($i) * i + NR) % 1000003 } }"
                + " END { for (w in n) t += n[w] * n[w] % 1009; print NR, s, t, length(n) }", text(32_000_000).toString());
    }

    @Test
    void shouldBuildHashByPerl() throws IOException {
        Path program = script("hash.pl", "my (%h, $x); $x = 12345;",
                "for my $i (1 .. 1_500_000) { $x = ($x * 1103515245 + 12345) & 0x7fffffff; $h{$x % 300_007} .= chr(97 + $x % 26);",
                "  delete $h{($x >> 8) % 300_007} if $x & 64; $h{$x % 1009} =~ tr/a-m/n-z/ }",
                "my $sum = 0; for my $k (sort { $a <=> $b } keys %h) { $sum = ($sum * 33 + length($h{$k}) + $k) % 2147483647 }",
                "print scalar(keys %h), \" $sum\\n\";");
        assertUndisturbed("perl", program.toString());
    }

    @Test
    void shouldComputeByPython() throws IOException {
        Launch where = sandbox.command("python3", "-c", "import sys; print(sys.executable)").toEnd();
        assertEquals(0, where.status(), where.describe());
        Path program = script("work.py", "import hashlib, json, zlib", "d = {}; x = 12345; h = hashlib.sha256()",
                "for i in range(900000):", "    x = (x * 1103515245 + 12345) & 0x7fffffff",
                "    d.setdefault(x % 50021, []).append(i)", "    if x & 7 == 0: d.pop((x >> 8) % 50021, None)",
                "    if i % 30000 == 0: h.update(zlib.compress(json.dumps(sorted(d.items())[:4000]).encode())); print(i, h.hexdigest())",
                "print(len(d), sum(map(len, d.values())), h.hexdigest())");
        assertUndisturbed(where.out().trim(), program.toString());
    }

    @Test
    void shouldQueryBySqlite() throws IOException {
        Path program = script("work.sql", "create table t (k integer primary key, v integer, s text);",
                "insert into t with recursive c(n) as (select 1 union all select n + 1 from c where n < 400000)",
                "  select n, (n * 7919) % 100003, printf('%x', n * 2654435761) from c;",
                "create index i on t (v, s);", "update t set v = v + 1 where k % 3 = 0;", "delete from t where v % 7 = 0;",
                "select count(*), sum(v), max(s) from t;",
                "select a.v % 100, count(*), sum(b.k) from t a join t b on b.v = a.v + 2 group by 1 order by 1;",
                "select s, sum(v) over (order by k rows 50 preceding) from t where k % 997 = 0;");
        assertUndisturbed("sqlite3", ":memory:", ".read " + program);
    }

    @Test
    void shouldComputeByBc() throws IOException {
        assumeInstalled("bc");
        Path program = script("pi.bc", "scale = 1800", "4 * a(1)", "e(1)", "quit");
        assertUndisturbed("bc", "-l", program.toString());
    }

    @Test
    void shouldCompileByCc1() throws IOException {
        Launch where = sandbox.command("gcc", "-print-prog-name=cc1").toEnd();
        assertEquals(0, where.status(), where.describe());
        String cc1 = where.out().trim();
        Path source = sandbox.file("big.c");
        Files.writeString(source, bigProgram(), StandardCharsets.US_ASCII);
        Path alone = sandbox.file("alone.s");
        Path protectedToo = sandbox.file("protected.s");
        long startNs = System.nanoTime();
        assertEquals(0, sandbox.command(compilation(cc1, source, alone)).toEnd().status());
        long aloneMs = TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - startNs);

        rollBackAgainAndAgain(aloneMs, compilation(cc1, source, protectedToo));

        assertTrue(Files.size(alone) > 500_000);
        assertEquals(-1, Files.mismatch(alone, protectedToo));
    }

    private static String[] compilation(String cc1, Path source, Path output) {
        return new String[] {cc1, "-quiet", "-O2", source.toString(), "-o", output.toString()};
    }

    private static String bigProgram() {
        SplittableRandom random = Seed.random(seed, 2);
        StringBuilder text = new StringBuilder("typedef unsigned long u; extern u g[64];\n");
        for (int function = 0; function < 350; function++) {
            text.append("u f").append(function).append("(u a, u b, u *p) {\n  for (u i = 0; i < b; i++) {\n");
            for (int line = 0; line < 12; line++) {
                text.append("    ").append(random.nextBoolean() ? "a" : "p[i & 7]").append(" ^= ")
                        .append(random.nextBoolean() ? "g[a & 63]" : "(b >> " + random.nextInt(1, 60) + ")").append(" * ")
                        .append(random.nextInt(1, 99999)).append("u + (a ").append(random.nextBoolean() ? "<<" : ">>").append(' ')
                        .append(random.nextInt(1, 30)).append(");\n");
            }
            text.append("    if (a % ").append(random.nextInt(3, 99)).append(" == 0) g[i & 63] += ")
                    .append(function == 0 ? "a" : "f" + random.nextInt(function) + "(b, a & 3, p)").append(";\n  }\n  return a + b;\n}\n");
        }
        return text.toString();
    }
}
