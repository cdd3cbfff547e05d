// SPDX-License-Identifier: Apache-2.0
package io.backstep.engine;

import java.util.List;

import io.backstep.core.Capture;
import io.backstep.core.LongVector;
import io.backstep.core.PageRanges;
import io.backstep.core.Phase;
import io.backstep.predict.Prediction;
import io.backstep.predict.Predictor;
import io.backstep.predict.Prices;
import org.HdrHistogram.Histogram;

/** A predictor at work: what it said for this interval and for the next, and how good that was. Not thread-safe. */
final class Forecast implements AutoCloseable {
    private static final double NS_PER_MS = 1e6;
    private static final int PERMILLE = 1000;
    private static final int DIGITS = 3;

    private final Prediction prediction;
    private final Prices prices;
    private final Predictor predictor;
    private final CopyPrice copyPrice;
    private final PageRanges leftWritable = new PageRanges();
    private final LongVector all = new LongVector();
    private final Histogram precision = new Histogram(PERMILLE, DIGITS);
    private final Histogram recall = new Histogram(PERMILLE, DIGITS);
    private final Histogram gain = RunLog.newHistogram();
    private final Histogram loss = RunLog.newHistogram();
    /** Ranges that the next capture is told of, and those of the last one. */
    private long asked;
    private long interruptions;
    private long unprotected;
    private long hits;
    private long ranges;
    private long written;
    private long lastFaults;

    Forecast(Prediction prediction, Prices prices) {
        this.prediction = prediction;
        this.prices = prices;
        this.predictor = prediction.newPredictor(prices);
        this.copyPrice = new CopyPrice(prices.copyNs());
    }

    /** Tells the coming capture what to leave writable, and what to make so. */
    void fill(Capture capture) {
        predictor.predict(leftWritable, capture.predicted(), capture.lifted());
        asked = capture.predicted().rangeCount() + capture.lifted().rangeCount();
    }

    /** Pages that the last capture left writable. */
    PageRanges leftWritable() {
        return leftWritable;
    }

    /**
     * Looks at a capture that succeeded, from which the pages that were not written are left out.
     *
     * @param copied how many pages it had with them
     * @return how many pages were written, be they copied or saved by the target
     */
    long judge(Capture capture, long copied) {
        LongVector pages = capture.pages();
        long predicted = 0;
        long range = 0;
        for (long i = 0; i < pages.size(); i++) {
            range = leftWritable.seek(range, pages.get(i));
            if (leftWritable.has(range, pages.get(i))) {
                predicted++;
            }
        }
        LongVector nowWritten = written(capture);
        score(predicted, predicted + copied - pages.size(), nowWritten.size());
        double guarded = Math.max(Math.max(1, pages.size() - predicted), capture.copiedAhead());
        copyPrice.observe(copied - capture.copiedAhead(), capture.phaseNs(Phase.COPY));
        predictor.observe(nowWritten, 1 - capture.copiedAhead() / guarded, copyPrice.ns());
        leftWritable.copyFrom(capture.predicted());
        interruptions = asked;
        capture.writtenBefore().copyFrom(nowWritten.address(), nowWritten.size());
        return nowWritten.size() + capture.saved().pages().size() - capture.saved().frameCount();
    }

    private void score(long nowHit, long nowUnprotected, long nowWritten) {
        hits += nowHit;
        lastFaults = nowWritten - nowHit;
        unprotected += nowUnprotected;
        ranges += interruptions;
        written += nowWritten;
        if (prediction == Prediction.OFF) {
            return;
        }
        if (nowUnprotected > 0) {
            precision.recordValue(PERMILLE * nowHit / nowUnprotected);
        }
        if (nowWritten > 0) {
            recall.recordValue(PERMILLE * nowHit / nowWritten);
        }
        long saved = (long) savedNs(nowHit, nowUnprotected, interruptions);
        RunLog.record(saved < 0 ? loss : gain, Math.abs(saved));
    }

    private double savedNs(long hit, long leftUnprotected, long inRanges) {
        return hit * prices.faultNs() - (leftUnprotected - hit) * copyPrice.ns() - inRanges * prices.rangeNs();
    }

    /** What the first writes to protected pages cost the target in the last interval, at this host's prices. */
    double faultsNs() {
        return lastFaults * prices.faultNs();
    }

    /** Copies, with their names as tags: one value for each capture, the time saved in one of two by its sign. */
    List<Histogram> histograms() {
        return prediction == Prediction.OFF
                ? List.of()
                : List.of(RunLog.tagged(precision, "precision-permille"), RunLog.tagged(recall, "recall-permille"),
                        RunLog.tagged(gain, "prediction-saved-ns"), RunLog.tagged(loss, "prediction-lost-ns"));
    }

    /** But for pages that the target saved nothing of, as they had no content: of those a program that grows has many, once. */
    private LongVector written(Capture capture) {
        LongVector pages = capture.pages();
        LongVector saved = capture.saved().pages();
        if (saved.isEmpty()) {
            return pages;
        }
        all.clear();
        long i = 0;
        for (long k = 0; k < saved.size(); k++) {
            if (capture.saved().frames().get(k) == 0) {
                continue;
            }
            while (i < pages.size() && pages.get(i) < saved.get(k)) {
                all.add(pages.get(i++));
            }
            if (i == pages.size() || pages.get(i) > saved.get(k)) {
                all.add(saved.get(k));
            }
        }
        while (i < pages.size()) {
            all.add(pages.get(i++));
        }
        return all;
    }

    /** The target went back or is another: what was learnt and what was left writable is gone. */
    void forget() {
        predictor.forget();
        leftWritable.clear();
        interruptions = 0;
    }

    RunRecord.PredictionScore score() {
        if (prediction == Prediction.OFF) {
            return RunRecord.PredictionScore.NONE;
        }
        return new RunRecord.PredictionScore(
                (double) hits / unprotected, (double) hits / written, savedNs(hits, unprotected, ranges) / NS_PER_MS);
    }

    @Override
    public void close() {
        predictor.close();
        leftWritable.close();
        all.close();
    }
}
