// SPDX-License-Identifier: Apache-2.0
package io.backstep.predict;

import io.backstep.core.LongVector;
import io.backstep.core.PageRanges;

/** Expects nothing: each page costs a fault in each interval in which it is written. */
final class NoPrediction implements Predictor {
    @Override
    public void observe(LongVector written, double late, double copyNs) {
    }

    @Override
    public void predict(PageRanges open, PageRanges kept, PageRanges lifted) {
        kept.clear();
        lifted.clear();
    }

    @Override
    public void forget() {
    }

    @Override
    public void close() {
    }
}
