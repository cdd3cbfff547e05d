// SPDX-License-Identifier: Apache-2.0
package io.backstep.report;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.io.Writer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;

import io.backstep.core.BackstepException;
import org.HdrHistogram.Histogram;
import org.HdrHistogram.HistogramLogWriter;

/** The histograms of a run as HdrHistogram's interval log, for its own tools: one interval, one line for each tag. */
public final class HistogramLog {
    private static final double MS_PER_S = 1e3;

    private HistogramLog() {
    }

    /**
     * Writes the log of a run that ended just now, whole or not at all.
     *
     * @throws BackstepException FAILED: nothing was written, and a file that was there before is as it was.
     */
    public static void write(List<Histogram> histograms, double elapsedMs, Path path) {
        WholeFile.write(path, writer -> write(histograms, elapsedMs, System.currentTimeMillis(), writer));
    }

    /**
     * Makes sure that a log can be written to a file, as far as can be told before the run.
     *
     * @throws BackstepException FAILED: it cannot.
     */
    public static void check(Path path) {
        WholeFile.check(path);
    }

    static void write(List<Histogram> histograms, double elapsedMs, long endMs, Writer writer) throws IOException {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        HistogramLogWriter log = new HistogramLogWriter(new PrintStream(bytes, false, StandardCharsets.UTF_8));
        log.outputComment("[backstep: one interval, the whole run; values are in the unit that the tag names]");
        log.outputLogFormatVersion();
        log.outputStartTime((long) (endMs - elapsedMs));
        log.outputLegend();
        for (Histogram histogram : histograms) {
            log.outputIntervalHistogram((endMs - elapsedMs) / MS_PER_S, endMs / MS_PER_S, histogram, 1);
        }
        log.close();
        writer.write(bytes.toString(StandardCharsets.UTF_8));
    }
}
