// SPDX-License-Identifier: Apache-2.0
package io.backstep.predict;

import java.util.Locale;

/** The predictors that one can choose from. */
public enum Prediction {
    /** None: every page is protected after each capture. */
    OFF,
    /** What was written in the last interval. */
    LAST,
    /** What costs least: each page's history, and what faults and copies cost. */
    COST;

    /** As options and reports name it. */
    public String key() {
        return name().toLowerCase(Locale.ROOT);
    }

    public Predictor newPredictor(Prices prices) {
        return switch (this) {
            case OFF -> new NoPrediction();
            case LAST -> new LastWritten();
            case COST -> new CheapestPages(prices);
        };
    }
}
