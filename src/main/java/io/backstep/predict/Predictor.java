// SPDX-License-Identifier: Apache-2.0
package io.backstep.predict;

import io.backstep.core.LongVector;
import io.backstep.core.PageRanges;

/**
 * Names the pages that shall be writable after a capture. Such a page costs a copy in the next one, and no fault. Every
 * other page costs a fault in each interval in which it is written, and then a copy too. Asked once an interval, before
 * the capture at its end; allocates nothing once it has grown. Not thread-safe.
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

    /**
     * Chooses for the capture at the end of the interval that is running, of which nothing is known yet.
     *
     * @param open pages that are writable in it without a fault; all others are protected until they are written
     * @param kept to be filled in: pages to leave writable if they are so at the capture
     * @param lifted to be filled in: pages to make writable if they are still protected at the capture
     */
    void predict(PageRanges open, PageRanges kept, PageRanges lifted);

    /** What was learnt no longer holds: the target went back, or is another program. */
    void forget();

    @Override
    void close();
}
