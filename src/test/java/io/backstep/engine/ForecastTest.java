// SPDX-License-Identifier: Apache-2.0
package io.backstep.engine;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.backstep.core.Capture;
import io.backstep.core.Phase;
import io.backstep.predict.Prediction;
import io.backstep.predict.Prices;
import org.junit.jupiter.api.Test;

class ForecastTest {
    private static final Prices PRICES = new Prices(1000, 100, 10);
    private static final double NS_PER_MS = 1e6;

    private final Capture capture = new Capture();

    @Test
    void shouldCountFaultsSavedLessNeedlessCopiesAndRanges() {
        try (Forecast forecast = new Forecast(Prediction.LAST, PRICES)) {
            judge(forecast, 3, 1, 2, 7);
            judge(forecast, 3, 1, 2, 7); // what was expected after the first is left writable after this one
            judge(forecast, 3, 1, 2);

            RunRecord.PredictionScore score = forecast.score();
            assertEquals(2 / 3.0, score.precision());
            assertEquals(2 / 8.0, score.recall());
            assertEquals((2 * 1000 - 1 * 100 - 2 * 10) / NS_PER_MS, score.savedMs());
        } finally {
            capture.close();
        }
    }

    /** A capture that copied so many pages, of which these were written. */
    private void judge(Forecast forecast, long copied, long... written) {
        forecast.fill(capture);
        capture.pages().clear();
        for (long page : written) {
            capture.pages().add(page);
        }
        capture.phaseNs(Phase.COPY, copied * (long) PRICES.copyNs());
        forecast.judge(capture, copied);
    }
}
