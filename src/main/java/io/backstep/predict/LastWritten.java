// SPDX-License-Identifier: Apache-2.0
package io.backstep.predict;

import io.backstep.core.LongVector;
import io.backstep.core.PageRanges;

/**
 * Keeps writable what was written in the last interval that is known. The predictor of VM-uCheckpoint (Wang,
 * Kalbarczyk, Gu, Iyer: VM-uCheckpoint: Design, Modeling, and Assessment of Lightweight In-Memory VM Checkpointing, IEEE
 * TDSC 12(2), 2015).
 */
final class LastWritten implements Predictor {
    private final PageRanges last = new PageRanges();

    @Override
    public void observe(LongVector written, double late, double copyNs) {
        last.clear();
        for (long i = 0; i < written.size(); i++) {
            last.add(written.get(i), written.get(i) + 1);
        }
    }

    @Override
    public void predict(PageRanges open, PageRanges kept, PageRanges lifted) {
        kept.copyFrom(last);
        lifted.clear();
    }

    @Override
    public void forget() {
        last.clear();
    }

    @Override
    public void close() {
        last.close();
    }
}
