// SPDX-License-Identifier: Apache-2.0
package io.backstep.retain;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.FileNotFoundException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.SplittableRandom;

import org.HdrHistogram.Histogram;
import org.HdrHistogram.HistogramLogWriter;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class MeasuredLatencyTest {
    @TempDir
    private Path directory;

    private String log(Histogram... histograms) throws FileNotFoundException {
        Path file = directory.resolve("a+b*.hlog");
        HistogramLogWriter writer = new HistogramLogWriter(file.toFile());
        writer.outputLogFormatVersion();
        writer.outputLegend();
        for (Histogram histogram : histograms) {
            histogram.setStartTimeStamp(0);
            histogram.setEndTimeStamp(1000);
            writer.outputIntervalHistogram(histogram);
        }
        writer.close();
        return file.toString();
    }

    private static Histogram of(long... values) {
        Histogram histogram = new Histogram(3);
        for (long value : values) {
            histogram.recordValue(value);
        }
        return histogram;
    }

    @Test
    void shouldAddUpAllHistogramsOfTheLog() throws IOException {
        ErrorLatency latency = ErrorLatency.parse("hist:" + log(of(10, 20), of(20, 30)));

        assertEquals(0, latency.atMost(10));
        assertEquals(0.125, latency.atMost(10.5), "half of the step that counted 10");
        assertEquals(0.25, latency.atMost(11));
        assertEquals(0.25, latency.atMost(20));
        assertEquals(0.75, latency.atMost(21));
        assertEquals(1, latency.atMost(31));
        assertEquals(1, latency.atMost(1e18));
        assertEquals(20.5, latency.mean());
        assertEquals(0.25 * 10.5, latency.meanUpTo(15));
        assertEquals(11, latency.quantile(0.25));
        assertEquals(20.5, latency.quantile(0.5));
        assertEquals(31, latency.quantile(1));
    }

    /** The log of a run has pauses in it, too. */
    @Test
    void shouldLeaveOutWhatIsTaggedAsSomethingElse() throws IOException {
        Histogram pauses = of(1_000_000);
        pauses.setTag("pause-ns");
        Histogram latencies = of(10);
        latencies.setTag("latency-ns");

        assertEquals(10.5, ErrorLatency.parse("hist:" + log(pauses, latencies)).mean());
    }

    @Test
    void shouldComeCloseToWhatWasMeasured() throws IOException {
        ErrorLatency truth = ErrorLatency.parse("exp:mean=20ms");
        Histogram histogram = new Histogram(3);
        SplittableRandom random = new SplittableRandom(2);
        for (int i = 0; i < 50_000; i++) {
            histogram.recordValue((long) truth.sample(random));
        }

        ErrorLatency latency = ErrorLatency.parse("hist:" + log(histogram));

        for (double ns : new double[] {2e6, 2e7, 1e8}) {
            assertEquals(truth.atMost(ns), latency.atMost(ns), 0.01);
            assertEquals(truth.integral(ns), latency.integral(ns), 0.02 * truth.integral(ns));
        }
    }

    @Test
    void shouldGiveTheTextBackAlsoWithinAMixture() throws IOException {
        String text = "mix:0.5*hist:" + log(of(1_000)) + "+0.5*exp:mean=1us";

        assertEquals(text, ErrorLatency.parse(text).toString());
    }

    @Test
    void shouldSayThatAFileIsNoLog() throws IOException {
        Path file = Files.writeString(directory.resolve("x"), "Tag=A,not,a,log\n");

        String message = assertThrows(
                IllegalArgumentException.class, () -> ErrorLatency.parse("hist:" + file)).getMessage();

        assertTrue(message.contains("the file is no HdrHistogram log")
                || message.contains("the file has no latency in it"), message);
    }

    @Test
    void shouldSayThatALogIsEmpty() throws IOException {
        String file = log();

        String message = assertThrows(
                IllegalArgumentException.class, () -> ErrorLatency.parse("hist:" + file)).getMessage();

        assertTrue(message.endsWith("the file has no latency in it"), message);
    }
}
