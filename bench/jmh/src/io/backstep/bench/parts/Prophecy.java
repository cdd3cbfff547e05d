// SPDX-License-Identifier: Apache-2.0
package io.backstep.bench.parts;

import java.util.Locale;
import java.util.SplittableRandom;
import java.util.concurrent.TimeUnit;

import io.backstep.core.LongVector;
import io.backstep.core.PageRanges;
import io.backstep.predict.Prediction;
import io.backstep.predict.Predictor;
import io.backstep.predict.Prices;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;

/** How long does a predictor take in an interval in which D pages were written, of which most are written in each? */
@BenchmarkMode(Mode.SampleTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@State(Scope.Thread)
public class Prophecy {
    private static final int SETS = 8;
    private static final int STRIDE = 4;
    private static final double SHARE_OF_HOT = 0.7;
    private static final long SEED = 1;

    @Param({"off", "last", "cost"})
    public String predictor;
    @Param({"1000", "10000"})
    public int pages;
    private final LongVector[] written = new LongVector[SETS];
    private final PageRanges open = new PageRanges();
    private final PageRanges predicted = new PageRanges();
    private final PageRanges lifted = new PageRanges();
    private Predictor asked;
    private int turn;

    @Setup
    public void choose() {
        asked = Prediction.valueOf(predictor.toUpperCase(Locale.ROOT)).newPredictor(new Prices(1000, 700, 1000));
        SplittableRandom random = new SplittableRandom(SEED);
        for (int i = 0; i < SETS; i++) {
            written[i] = new LongVector();
            for (long page = 0; page < pages; page++) {
                boolean isHot = page < SHARE_OF_HOT * pages;
                written[i].add(page * STRIDE + (isHot ? 0 : random.nextLong(STRIDE)));
            }
        }
    }

    @Benchmark
    public long observeAndPredict() {
        turn = (turn + 1) % SETS;
        asked.observe(written[turn], 1, 700);
        asked.predict(open, predicted, lifted);
        return predicted.rangeCount();
    }
}
