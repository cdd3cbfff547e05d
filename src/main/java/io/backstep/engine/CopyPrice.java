// SPDX-License-Identifier: Apache-2.0
package io.backstep.engine;

/**
 * What one page more adds to the copying of a pause, in ns. The host's price, with which it begins, is that of one thread
 * alone; in a pause two may share the work, and caches be warm or cold. A pause has a part besides that is the same for
 * any number of pages, so the price is the slope of a straight line through the last pauses, by least squares, the newest
 * counting most. Where the numbers of pages are too much alike to tell it, all of the time is divided among the pages.
 * Not thread-safe.
 */
final class CopyPrice {
    /** Of the newest pause. */
    private static final double WEIGHT = 0.125;
    /** Numbers of pages that vary by less than this part of their mean tell little. */
    private static final double ALIKE = 0.25;
    /** How far the price may go from that of the host, and a pause from what was expected of it, as a factor. */
    private static final double FARTHEST = 4;

    private final double hostNs;
    private double known;
    private double meanPages;
    private double meanNs;
    private double variance;
    private double covariance;

    CopyPrice(double hostNs) {
        this.hostNs = hostNs;
    }

    void observe(long pages, long tookNs) {
        double most = known == 0 ? tookNs : FARTHEST * Math.max(meanNs, pages * ns());
        known += WEIGHT * (1 - known);
        double share = WEIGHT / known; // the first counts wholly
        double morePages = pages - meanPages;
        double moreNs = Math.min(tookNs, most) - meanNs;
        meanPages += share * morePages;
        meanNs += share * moreNs;
        variance = (1 - share) * (variance + share * morePages * morePages);
        covariance = (1 - share) * (covariance + share * morePages * moreNs);
    }

    double ns() {
        if (meanPages == 0) {
            return hostNs;
        }
        double alike = ALIKE * meanPages * ALIKE * meanPages;
        double slope = (covariance + alike * meanNs / meanPages) / (variance + alike);
        double here = known * slope + (1 - known) * hostNs;
        return Math.min(hostNs * FARTHEST, Math.max(hostNs / FARTHEST, here));
    }
}
