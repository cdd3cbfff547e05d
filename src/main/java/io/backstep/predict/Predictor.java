// SPDX-License-Identifier: Apache-2.0
package io.backstep.predict;

import io.backstep.core.LongVector;
import io.backstep.core.PageRanges;

/**
 * Names the pages that shall be left writable. Such a page costs a copy in each capture, and no fault. Every other page
 * costs a fault in each interval in which it is written, and then a copy too. Asked once an interval; allocates nothing
 * once it has grown. Not thread-safe.
 */
public interface Predictor extends AutoCloseable {
    /**
     * Learns from the interval that has just ended.
     *
     * @param written the pages that were written; they ascend
     * @param late the share of the protected ones among them that had to be copied in the pause, and not before it
     * @param copyNs what the copy of a page adds to a pause, by what pauses took up to now
     */
    void observe(LongVector written, double late, double copyNs);

    /** Fills in the pages that are expected to be written in the coming interval. */
    void predict(PageRanges into);

    /** What was learnt no longer holds: the target went back, or is another program. */
    void forget();

    @Override
    void close();
}
