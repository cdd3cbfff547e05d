// SPDX-License-Identifier: Apache-2.0
package io.backstep.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;

/** A real program whose interval adapts, and faults in it from which the error latency is learnt. */
@Timeout(value = 3, unit = TimeUnit.MINUTES)
class AdaptionIT {
    /** Writes some hundred pages all the time, for some seconds. */
    private static final List<String> PROGRAM = List.of("perl", "-e", "my %h; my $end = time + 4; "
            + "for (my $i = 0;; $i++) { $h{$i * 7919 % 5000} = $i; exit 0 if $i % 1000 == 0 && time > $end }");

    @RegisterExtension
    final Sandbox sandbox = new Sandbox();

    private Json protect(String... options) throws IOException {
        Path report = sandbox.file("report.json");
        Files.deleteIfExists(report);
        List<String> all = new ArrayList<>(List.of("--report", report.toString()));
        all.addAll(List.of(options));
        Launch run = sandbox.run(all, PROGRAM).toEnd();
        assertEquals(0, run.status(), run.describe());
        return Json.parse(Files.readString(report));
    }

    /** However slow the machine is: what costs less of the time comes less often, and neither costs far too much. */
    @Test
    void shouldTakeAnIntervalByWhatCapturesMayCost() throws IOException {
        Json little = protect("--interval", "auto:1%");
        Json much = protect("--interval", "auto:20%");

        assertTrue(little.number("interval_ms") > 2 * much.number("interval_ms"), little + "\n" + much);
        assertTrue(much.number("checkpoints.taken") > 2 * little.number("checkpoints.taken"), little + "\n" + much);
        assertEquals(1, little.number("pacing.aimed_percent"));
        assertTrue(little.number("pacing.overhead_percent") < much.number("pacing.overhead_percent"),
                little + "\n" + much);
        assertTrue(List.of("overhead", "longest").contains(little.text("pacing.decided_by")), little.toString());
        assertTrue(List.of("overhead", "shortest").contains(much.text("pacing.decided_by")), much.toString());
    }

    /** Each fault is noticed 60 ms after it; 2 ms had been stated. */
    @Test
    void shouldLearnAnErrorLatencyThatCanBeStatedTheNextTime() throws IOException {
        List<String> options = new ArrayList<>(List.of(
                "--interval", "10ms", "--error-latency", "exp:mean=2ms", "--coverage", "0.9", "--learn"));
        for (int i = 0; i < 8; i++) {
            options.addAll(List.of("--inject", "memory:stack@" + (500 + 250 * i) + "ms,seed=4,noticed=60ms"));
        }

        Json taught = protect(options.toArray(String[]::new));
        String learnt = taught.text("retention.error_latency");
        Json next = protect("--interval", "10ms", "--error-latency", learnt, "--coverage", "0.9");

        assertTrue(taught.number("retention.observed") >= 1, taught.toString());
        assertTrue(learnt.startsWith("mix:") && learnt.contains("*exp:mean=2ms+"), learnt);
        assertEquals(learnt, next.text("retention.error_latency"));
        assertTrue(next.number("retention.longest_ms") > 60, next.toString());
        assertTrue(next.number("retention.coverage_predicted") >= 0.9, next.toString());
    }
}
