// SPDX-License-Identifier: Apache-2.0
package io.backstep.predict;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.backstep.core.LongVector;
import io.backstep.core.PageRanges;
import java.util.SplittableRandom;
import java.util.function.LongPredicate;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class PredictionTest {
    private static final Prices PRICES = new Prices(1_400, 900, 500);
    private static final int PAGES = 1_000;

    private final LongVector written = new LongVector();
    private final PageRanges open = new PageRanges();
    private final PageRanges predicted = new PageRanges();
    private final PageRanges lifted = new PageRanges();

    @AfterEach
    void close() {
        written.close();
        open.close();
        predicted.close();
        lifted.close();
    }

    @ParameterizedTest
    @EnumSource(Prediction.class)
    void shouldExpectNothingAtFirstAndAfterForgetting(Prediction prediction) {
        try (Predictor predictor = prediction.newPredictor(PRICES)) {
            predictor.predict(open, predicted, lifted);
            assertTrue(predicted.isEmpty());
            for (int i = 0; i < 20; i++) {
                observe(predictor, page -> page < 100);
            }
            predictor.predict(open, predicted, lifted);
            assertEquals(prediction == Prediction.OFF ? 0 : 100, predicted.pageCount());

            predictor.forget();
            predictor.predict(open, predicted, lifted);
            assertTrue(predicted.isEmpty());
        }
    }

    @Test
    void shouldExpectWhatWasWrittenLast() {
        try (Predictor predictor = Prediction.LAST.newPredictor(PRICES)) {
            observe(predictor, page -> page % 3 == 0);
            observe(predictor, page -> page == 5 || page == 6 || page == 900);
            predictor.predict(open, predicted, lifted);
            assertEquals("pages 5-7 384-385", predicted.toString());
        }
    }

    @Test
    void shouldLeaveAlwaysWrittenPagesWritableAndProtectOthers() {
        SplittableRandom random = new SplittableRandom(5);
        try (Predictor predictor = Prediction.COST.newPredictor(PRICES)) {
            for (int i = 0; i < 50; i++) {
                observe(predictor, page -> page < 50 || page >= 500 && random.nextInt(10) == 0);
            }
            predictor.predict(open, predicted, lifted);
            assertEquals("pages 0-32", predicted.toString());
        }
    }

    @Test
    void shouldFollowAChangeOfPhase() {
        try (Predictor predictor = Prediction.COST.newPredictor(PRICES)) {
            for (int i = 0; i < 50; i++) {
                observe(predictor, page -> page < 100);
            }
            for (int i = 0; i < 8; i++) {
                observe(predictor, page -> page >= 700 && page < 800);
            }
            predictor.predict(open, predicted, lifted);
            assertFalse(predicted.contains(50));
            assertTrue(predicted.contains(750));
        }
    }

    /** Of the interval that is running when it is asked nothing is known yet. */
    @Test
    void shouldKeepAndLiftForTheIntervalAfterTheOneThatRuns() {
        try (Predictor predictor = Prediction.COST.newPredictor(PRICES)) {
            for (int i = 0; i < 60; i++) {
                boolean even = i % 2 == 0;
                observe(predictor, page -> even && page < 100);
            }
            predictor.predict(open, predicted, lifted);
            assertTrue(predicted.isEmpty() && lifted.isEmpty(), predicted + ", " + lifted);
            open.add(0, 100);
            predictor.predict(open, predicted, lifted);
            assertTrue(predicted.isEmpty(), predicted.toString());

            open.clear();
            observe(predictor, page -> page < 100);
            predictor.predict(open, predicted, lifted);
            assertEquals("pages 0-64", lifted.toString());
            open.add(0, 100);
            predictor.predict(open, predicted, lifted);
            assertEquals("pages 0-64", predicted.toString());
            assertTrue(lifted.isEmpty(), lifted.toString());
        }
    }

    /** A tenth of the memory in each interval, in turn: no page is written twice in five of them. */
    @Test
    void shouldLearnWhenAPageComesRoundAgain() {
        try (Predictor predictor = Prediction.COST.newPredictor(PRICES)) {
            for (int i = 0; i < 60; i++) {
                int turn = i % 10;
                observe(predictor, page -> page / 100 == turn);
            }
            predictor.predict(open, predicted, lifted);
            assertTrue(predicted.isEmpty(), predicted.toString());
            assertEquals("pages 64-c8", lifted.toString(), "of turn 1, since that of turn 0 runs");
        }
    }

    @Test
    void shouldExpectNothingOfWhatItHasNotSeenForLong() {
        try (Predictor predictor = Prediction.COST.newPredictor(PRICES)) {
            for (int i = 0; i < 7_000; i++) {
                observe(predictor, page -> false);
            }
            observe(predictor, page -> page < 100);
            predictor.predict(open, predicted, lifted);
            assertTrue(predicted.isEmpty() && lifted.isEmpty(), predicted + ", " + lifted);
        }
    }

    @Test
    void shouldExpectNoRoundWhereThereIsNone() {
        SplittableRandom random = new SplittableRandom(8);
        try (Predictor predictor = Prediction.COST.newPredictor(PRICES)) {
            for (int i = 0; i < 60; i++) {
                observe(predictor, page -> random.nextInt(10) == 0);
            }
            predictor.predict(open, predicted, lifted);
            assertTrue(lifted.pageCount() < PAGES / 50, lifted.toString());
        }
    }

    @Test
    void shouldProtectWhatIsWrittenTooSeldomForThePrices() {
        SplittableRandom random = new SplittableRandom(6);
        try (Predictor dear = Prediction.COST.newPredictor(new Prices(10_000, 900, 500));
                Predictor cheap = Prediction.COST.newPredictor(new Prices(100, 900, 500))) {
            for (int i = 0; i < 50; i++) {
                fill(page -> random.nextInt(2) == 0);
                dear.observe(written, 1, 900);
                cheap.observe(written, 1, 900);
            }
            dear.predict(open, predicted, lifted);
            assertTrue(predicted.pageCount() > PAGES * 9 / 10, predicted.pageCount() + " pages");
            cheap.predict(open, predicted, lifted);
            assertTrue(predicted.pageCount() < PAGES / 10, predicted.pageCount() + " pages");
        }
    }

    @Test
    void shouldWeighByWhatCopiesTakeInPausesAndNotByWhatTheyTookAtTheStart() {
        SplittableRandom random = new SplittableRandom(7);
        try (Predictor asAtTheStart = Prediction.COST.newPredictor(PRICES);
                Predictor cheaper = Prediction.COST.newPredictor(PRICES)) {
            for (int i = 0; i < 50; i++) {
                fill(page -> random.nextInt(4) == 0);
                asAtTheStart.observe(written, 1, PRICES.copyNs());
                cheaper.observe(written, 1, PRICES.copyNs() / 4);
            }
            asAtTheStart.predict(open, predicted, lifted);
            assertTrue(predicted.pageCount() < PAGES / 10, predicted.pageCount() + " pages");
            cheaper.predict(open, predicted, lifted);
            assertTrue(predicted.pageCount() > PAGES / 2, predicted.pageCount() + " pages");
        }
    }

    @Test
    void shouldNotInterruptTheScanForLessThanThatCosts() {
        try (Predictor dear = Prediction.COST.newPredictor(new Prices(1_400, 900, 1e6));
                Predictor cheap = Prediction.COST.newPredictor(new Prices(1_400, 900, 0))) {
            for (int i = 0; i < 20; i++) {
                fill(page -> page % 50 == 0);
                dear.observe(written, 1, 900);
                cheap.observe(written, 1, 900);
            }
            dear.predict(open, predicted, lifted);
            assertTrue(predicted.isEmpty());
            cheap.predict(open, predicted, lifted);
            assertTrue(predicted.contains(950));
        }
    }

    @Test
    void shouldNameItselfAsOptionsDo() {
        assertEquals("cost", Prediction.COST.key());
        assertThrows(IllegalArgumentException.class, () -> new Prices(Double.NaN, 1, 1));
    }

    private void observe(Predictor predictor, LongPredicate isWritten) {
        predictor.predict(open, predicted, lifted);
        fill(isWritten);
        predictor.observe(written, 1, 900);
    }

    private void fill(LongPredicate isWritten) {
        written.clear();
        for (long page = 0; page < PAGES; page++) {
            if (isWritten.test(page)) {
                written.add(page);
            }
        }
    }
}
