// SPDX-License-Identifier: Apache-2.0
package io.backstep.retain;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.SplittableRandom;

import org.hipparchus.analysis.integration.TrapezoidIntegrator;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class ErrorLatencyTest {
    private static final double MS = 1e6;

    @ParameterizedTest
    @ValueSource(strings = {"exp:mean=20ms", "uniform:0..1s", "uniform:5ms..7.5ms", "lognormal:median=5ms,sigma=1.5",
        "weibull:scale=20ms,shape=0.5", "weibull:scale=3us,shape=2", "mix:0.9*exp:mean=1ms+0.1*uniform:0..2s",
        "mix:0.25*uniform:0..1s+0.25*uniform:0..2s+0.5*lognormal:median=1s,sigma=1"})
    void shouldGiveTheTextBackThatItWasReadFrom(String text) {
        assertEquals(text, ErrorLatency.parse(text).toString());
    }

    @Test
    void shouldGiveTheShortestText() {
        assertEquals("weibull:scale=1s,shape=2", ErrorLatency.parse("weibull:scale=1000ms,shape=2.0").toString());
        assertEquals("uniform:0..2ms", ErrorLatency.parse("uniform:0s..2000us").toString());
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', value = {
        "''                            | expected exp:mean=TIME, uniform:TIME..TIME",
        "20ms                          | expected exp:mean=TIME, uniform:TIME..TIME",
        "exp                           | expected mean= where there is \"\"",
        "exp:20ms                      | expected mean= where there is \"20ms\"",
        "exp:mean=20                   | \"20\" is not a time",
        "exp:mean=0                    | mean must be more than 0",
        "exp:mean=1ms,mean=2ms         | expected no more where there is \"mean=2ms\"",
        "uniform:1s                    | expected uniform:TIME..TIME",
        "uniform:1s..1s                | times must ascend, but they are 1s..1s",
        "lognormal:median=1ms          | expected sigma= where there is nothing",
        "lognormal:median=1ms,sigma=x  | \"x\" is not a number",
        "lognormal:median=1ms,sigma=NaN| sigma must be more than 0",
        "weibull:scale=1ms,shape=-1    | shape must be more than 0",
        "hist:/no/such/file            | the file cannot be read",
        "mix:exp:mean=1ms              | \"exp:mean=1ms\" has no share",
        "mix:0.5*exp:mean=1ms          | the weights must add up to 1, but do to 0.5",
        "mix:0*exp:mean=1ms+1*uniform:0..1s | each weight must be more than 0",
        "mix:1*mix:1*exp:mean=1ms      | there is a mixture in a mixture"})
    void shouldSayInOneLineWhatIsWrong(String text, String expected) {
        String message = assertThrows(IllegalArgumentException.class, () -> ErrorLatency.parse(text)).getMessage();

        assertTrue(message.startsWith("\"" + text + "\" is not an error latency: "), message);
        assertTrue(message.contains(expected), message);
        assertFalse(message.contains("\n"), message);
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', value = {
        "exp:mean=20ms                  | 20        | 13.862944",
        "uniform:10ms..1s               | 505       | 505",
        "lognormal:median=5ms,sigma=1.5 | 15.401084 | 5",
        "weibull:scale=20ms,shape=0.5   | 40        | 9.609060",
        "mix:0.5*uniform:0..2ms+0.5*uniform:0..4ms | 1.5 | 1.333333"})
    void shouldKnowMeanAndMedian(String text, double meanMs, double medianMs) {
        ErrorLatency latency = ErrorLatency.parse(text);

        assertEquals(meanMs, latency.mean() / MS, 1e-5);
        assertEquals(medianMs, latency.quantile(0.5) / MS, 1e-5);
    }

    @ParameterizedTest
    @ValueSource(strings = {"exp:mean=20ms", "uniform:5ms..50ms", "lognormal:median=5ms,sigma=1.5",
        "weibull:scale=20ms,shape=1.5", "mix:0.9*exp:mean=10ms+0.1*uniform:0..200ms"})
    void shouldIntegrateItsProbabilities(String text) {
        ErrorLatency latency = ErrorLatency.parse(text);
        TrapezoidIntegrator integrator = new TrapezoidIntegrator(1e-7, 1e-9, 5, 24);
        for (double ns : new double[] {0.5 * MS, 7 * MS, 60 * MS, 300 * MS}) {
            double expected = integrator.integrate(1 << 25, latency::atMost, 0, ns);
            assertEquals(expected, latency.integral(ns), 1e-5 * expected + 1, () -> text + " up to " + ns);
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"exp:mean=20ms", "uniform:5ms..50ms", "lognormal:median=5ms,sigma=1.5",
        "weibull:scale=20ms,shape=0.5", "mix:0.9*exp:mean=1ms+0.1*uniform:0..2s"})
    void shouldSampleWhatItTells(String text) {
        ErrorLatency latency = ErrorLatency.parse(text);
        SplittableRandom random = new SplittableRandom(1);
        int samples = 20_000;
        double bound = latency.quantile(0.9);
        int within = 0;
        double sum = 0;
        for (int i = 0; i < samples; i++) {
            double ns = latency.sample(random);
            within += ns <= bound ? 1 : 0;
            sum += ns <= bound ? ns : 0;
        }

        assertEquals(0.9, (double) within / samples, 0.01);
        assertEquals(1, sum / samples / latency.meanUpTo(bound), 0.05);
    }

    @Test
    void shouldBeNothingBeforeTheFault() {
        for (String text : new String[] {"exp:mean=20ms", "uniform:0..1s", "lognormal:median=5ms,sigma=1.5"}) {
            ErrorLatency latency = ErrorLatency.parse(text);
            assertEquals(0, latency.atMost(-1));
            assertEquals(0, latency.meanUpTo(-1));
            assertEquals(0, latency.integral(-1));
            assertEquals(0, latency.integral(0));
        }
    }

    /** Checked by hand: T = 50, mean 50, k = 2, 3, 5; T = 10, mean 50, k = 2. */
    @ParameterizedTest
    @CsvSource({"50, 2, 0.768", "50, 3, 0.914", "50, 5, 0.988", "10, 2, 0.258"})
    void shouldAverageOverAnInterval(double intervalMs, int kept, double expected) {
        ErrorLatency latency = ErrorLatency.parse("exp:mean=50ms");

        double coverage = latency.atMostOnAverage((kept - 1) * intervalMs * MS, kept * intervalMs * MS);

        assertEquals(expected, coverage, 1e-3);
        assertEquals(1 - 50 / intervalMs * Math.exp(-(kept - 1) * intervalMs / 50) * -Math.expm1(-intervalMs / 50),
                coverage, 1e-9);
    }
}
