// SPDX-License-Identifier: Apache-2.0
package io.backstep.bench.jmh;

import java.util.HashMap;
import java.util.Map;

import io.backstep.bench.Sample;
import io.backstep.bench.Table;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.results.Result;
import org.openjdk.jmh.results.RunResult;

/** What was measured: for each run one figure of each kind and round. */
public final class Figures {
    private static final double MEDIAN = 50;
    private static final double TAIL = 99;
    private static final String ALLOCATED = "gc.alloc.rate.norm";

    private final Map<Run, Sample> typical = new HashMap<>();
    private final Map<Run, Sample> tails = new HashMap<>();
    private final Map<Run, Sample> allocated = new HashMap<>();

    void add(Run run, RunResult result) {
        Result<?> primary = result.getPrimaryResult();
        boolean isSampled = result.getParams().getMode() == Mode.SampleTime;
        of(typical, run).add(isSampled ? primary.getStatistics().getPercentile(MEDIAN) : primary.getScore());
        of(tails, run).add(isSampled ? primary.getStatistics().getPercentile(TAIL) : primary.getScore());
        result.getSecondaryResults().forEach((name, secondary) -> {
            if (name.endsWith(ALLOCATED)) {
                of(allocated, run).add(secondary.getScore() / run.callsPerOperation());
            }
        });
    }

    private static Sample of(Map<Run, Sample> figures, Run run) {
        return figures.computeIfAbsent(run, key -> new Sample());
    }

    /** The median of each round, or the score when single calls were not timed. */
    public Sample typical(Run run) {
        return of(typical, run);
    }

    /** The 99th percentile of each round. */
    public Sample tails(Run run) {
        return of(tails, run);
    }

    /** Bytes that a call allocated, by JMH's count. */
    public Sample allocated(Run run) {
        return of(allocated, run);
    }

    /** Of each round, what was measured in the same round. */
    public Sample ratio(Run over, Run... under) {
        Sample ratios = new Sample();
        for (int i = 0; i < typical(over).size(); i++) {
            double sum = 0;
            for (Run run : under) {
                sum += typical(run).value(i);
            }
            ratios.add(typical(over).value(i) / sum);
        }
        return ratios;
    }

    public static Sample map(Sample sample, double factor) {
        Sample mapped = new Sample();
        for (int i = 0; i < sample.size(); i++) {
            mapped.add(sample.value(i) * factor);
        }
        return mapped;
    }

    /** The median over the rounds, and the least and the most. */
    public static String text(Sample sample) {
        return number(sample.median()) + " (" + number(sample.minimum()) + ".." + number(sample.maximum()) + ")";
    }

    private static String number(double value) {
        return Table.text(value >= 100 ? "%.0f" : value >= 10 ? "%.1f" : "%.2f", value);
    }
}
