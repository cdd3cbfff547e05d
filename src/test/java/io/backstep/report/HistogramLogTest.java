// SPDX-License-Identifier: Apache-2.0
package io.backstep.report;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.StringWriter;
import java.nio.charset.StandardCharsets;
import java.util.List;

import org.HdrHistogram.Histogram;
import org.HdrHistogram.HistogramLogReader;
import org.junit.jupiter.api.Test;

class HistogramLogTest {
    private static Histogram histogram(String tag, long... values) {
        Histogram histogram = new Histogram(1_000_000, 3);
        histogram.setTag(tag);
        for (long value : values) {
            histogram.recordValue(value);
        }
        return histogram;
    }

    @Test
    void shouldBeReadByTheReaderOfTheFormat() throws IOException {
        List<Histogram> written = List.of(histogram("pause-ns", 300_000, 400_000, 500_000), histogram("latency-ns"));
        StringWriter text = new StringWriter();

        HistogramLog.write(written, 2_500, 100_000_000, text);

        HistogramLogReader reader =
                new HistogramLogReader(new ByteArrayInputStream(text.toString().getBytes(StandardCharsets.UTF_8)));
        for (Histogram expected : written) {
            Histogram read = (Histogram) reader.nextIntervalHistogram();
            assertEquals(expected.getTag(), read.getTag());
            assertEquals(expected, read);
            assertEquals(2_500, read.getEndTimeStamp() - read.getStartTimeStamp(), 1);
        }
        assertNull(reader.nextIntervalHistogram());
        assertEquals(99_997.5, reader.getStartTimeSec(), 1e-3);
    }
}
