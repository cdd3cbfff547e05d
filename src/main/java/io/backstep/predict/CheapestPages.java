// SPDX-License-Identifier: Apache-2.0
package io.backstep.predict;

import java.util.Arrays;

import io.backstep.core.LongVector;
import io.backstep.core.PageRanges;

/**
 * Leaves a page writable when that is expected to cost less than to protect it.
 *
 * <p>For each page it remembers in which of the last five intervals it was written, and for each of the 32 patterns how
 * often a page with it was then written: a two-level adaptive predictor, as Yeh and Patt use for branches (Two-Level
 * Adaptive Training Branch Prediction, MICRO-24, 1991), whose counts fade, so that it follows the program's phases. With
 * p the share of pages with its pattern that were written, a page left writable costs copy, a protected one p (fault +
 * late copy + (1 - late) ahead), where late is the share of such pages that are not copied ahead of the pause, and ahead
 * what a copy made beside the running program costs it, in caches and memory that it shares. The first is better by p
 * (fault + late copy + (1 - late) ahead) - copy.
 *
 * <p>Each range of pages has a price of its own, so single pages are left out, and gaps included, where that is cheaper.
 * A page in a gap that nobody writes costs nothing, since it stays protected until it is written; one that is written for
 * once costs a copy. How often that happens is counted like a pattern.
 */
final class CheapestPages implements Predictor {
    private static final int HISTORY = 5;
    private static final int PATTERNS = 1 << HISTORY;
    private static final double FADE = 0.9;
    private static final double LATE_WEIGHT = 0.25;
    /** Of the price of a copy in the pause: measured as user time of programs beside which 3000 to 7000 pages are copied. */
    private static final double AHEAD = 0.5;
    /** The first guess at pages in gaps: one of so many is written in an interval. */
    private static final double GAP_PAGES = 64;

    private final Prices prices;
    private final double[] seen = new double[PATTERNS];
    private final double[] written = new double[PATTERNS];
    private final double[] gain = new double[PATTERNS];
    /** Pages written in one of the last intervals, ascending: the page number, and below it the pattern, newest last. */
    private LongVector pages = new LongVector();
    private LongVector next = new LongVector();
    private final PageRanges last = new PageRanges();
    private double lateShare;
    private double copyNs;
    private double gapSeen;
    private double gapWritten;
    private long gapPages;

    CheapestPages(Prices prices) {
        this.prices = prices;
        copyNs = prices.copyNs();
        forget();
    }

    /** A first guess, that counts as much as one page does: a pattern's share of ones. */
    @Override
    public void forget() {
        pages.clear();
        last.clear();
        lateShare = 1;
        gapPages = 0;
        gapSeen = GAP_PAGES;
        gapWritten = 1;
        Arrays.fill(seen, 1);
        Arrays.setAll(written, pattern -> (double) Integer.bitCount(pattern) / HISTORY);
    }

    @Override
    public void observe(LongVector nowWritten, double late, double nowCopyNs) {
        copyNs = nowCopyNs;
        lateShare += LATE_WEIGHT * (late - lateShare);
        for (int pattern = 0; pattern < PATTERNS; pattern++) {
            seen[pattern] = Math.max(seen[pattern] * FADE, Double.MIN_NORMAL);
            written[pattern] *= FADE;
        }
        gapSeen = gapSeen * FADE + gapPages;
        gapWritten *= FADE;
        next.clear();
        long at = 0;
        long range = 0;
        for (long i = 0; i < nowWritten.size(); i++) {
            long page = nowWritten.get(i);
            while (at < pages.size() && pages.get(at) >> HISTORY < page) {
                learn(pages.get(at++), 0);
            }
            if (at < pages.size() && pages.get(at) >> HISTORY == page) {
                learn(pages.get(at++), 1);
            } else {
                next.add(page << HISTORY | 1);
                range = last.seek(range, page);
                gapWritten += last.has(range, page) ? 1 : 0;
            }
        }
        while (at < pages.size()) {
            learn(pages.get(at++), 0);
        }
        LongVector swap = pages;
        pages = next;
        next = swap;
    }

    private void learn(long entry, int wasWritten) {
        int pattern = (int) entry & PATTERNS - 1;
        seen[pattern]++;
        written[pattern] += wasWritten;
        int now = (pattern << 1 | wasWritten) & PATTERNS - 1;
        if (now != 0) {
            next.add(entry & -PATTERNS | now);
        }
    }

    @Override
    public void predict(PageRanges into) {
        double guarded = prices.faultNs() + (lateShare + (1 - lateShare) * AHEAD) * copyNs;
        for (int pattern = 0; pattern < PATTERNS; pattern++) {
            gain[pattern] = written[pattern] / seen[pattern] * guarded - copyNs;
        }
        double gapPage = gapWritten / gapSeen * copyNs;
        into.clear();
        gapPages = 0;
        long first = 0;
        long end = 0; // one past the last page that gains
        long known = 0; // pages with a history in the range
        double sum = 0; // of the pages from first to end
        double since = 0; // of those from there on that have a history
        int knownSince = 0;
        for (long i = 0; i < pages.size(); i++) {
            double here = gain[(int) pages.get(i) & PATTERNS - 1];
            long page = pages.get(i) >> HISTORY;
            if (here <= 0) {
                since += here;
                knownSince++;
                continue;
            }
            double gap = (page - end - knownSince) * gapPage - since;
            if (sum == 0 || gap > prices.rangeNs()) {
                close(first, end, known, sum, into);
                first = page;
                sum = 0;
                gap = 0;
                known = 0;
                knownSince = 0;
            }
            sum += here - gap;
            known += 1 + knownSince;
            since = 0;
            knownSince = 0;
            end = page + 1;
        }
        close(first, end, known, sum, into);
        last.copyFrom(into);
    }

    private void close(long first, long end, long known, double sum, PageRanges into) {
        if (sum > prices.rangeNs()) {
            into.add(first, end);
            gapPages += end - first - known;
        }
    }

    @Override
    public void close() {
        pages.close();
        next.close();
        last.close();
    }
}
