// SPDX-License-Identifier: Apache-2.0
package io.backstep.predict;

import io.backstep.core.LongVector;
import io.backstep.core.PageRanges;

/**
 * Has a page writable when that is expected to cost less than to protect it. With p the {@linkplain Recurrence
 * likelihood} that it is written, one that is writable costs copy, a protected one p (fault + late copy + (1 - late)
 * ahead), where late is the share of such pages that are not copied ahead of the pause, and ahead what a copy made beside
 * the running program costs it, in caches and memory that it shares. The first is better by p (fault + late copy + (1 -
 * late) ahead) - copy.
 *
 * <p>It is asked before it is known what is written in the interval that is running. A protected page is kept if it shall
 * be writable should it be written in that, and lifted if it shall be so should it not be. Of a page that is writable
 * already, which is copied either way, the capture does not see which it was: it is kept if that gains on average.
 *
 * <p>Each range of pages has a price of its own, so single pages are left out, and gaps included, where that is cheaper.
 * A page in a gap that nobody writes costs nothing, since it stays protected until it is written; one that is written for
 * once costs a copy. How often that happens is counted like a history.
 */
final class CheapestPages implements Predictor {
    private static final long HISTORY = (1L << Recurrence.BITS) - 1;
    private static final double LATE_WEIGHT = 0.25;
    private static final double FADE = 0.9;
    /** Of the price of a copy in the pause: measured as user time of programs beside which 3000 to 7000 pages are copied. */
    private static final double AHEAD = 0.5;
    /** The first guess at pages in gaps: one of so many is written in an interval. */
    private static final double GAP_PAGES = 64;
    /** A protected page that is written less often is not worth a place in a range. */
    private static final double SELDOM = 1.0 / 16;

    private final Prices prices;
    private final Recurrence recurrence = new Recurrence();
    /** Pages with a history, ascending: the page number, and below it the history. */
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

    @Override
    public void forget() {
        pages.clear();
        last.clear();
        recurrence.forget();
        lateShare = 1;
        gapPages = 0;
        gapSeen = GAP_PAGES;
        gapWritten = 1;
    }

    @Override
    public void observe(LongVector nowWritten, double late, double nowCopyNs) {
        copyNs = nowCopyNs;
        lateShare += LATE_WEIGHT * (late - lateShare);
        recurrence.fade();
        gapSeen = gapSeen * FADE + gapPages;
        gapWritten *= FADE;
        next.clear();
        long at = 0;
        long range = 0;
        for (long i = 0; i < nowWritten.size(); i++) {
            long page = nowWritten.get(i);
            while (at < pages.size() && pages.get(at) >> Recurrence.BITS < page) {
                learn(pages.get(at++), false);
            }
            if (at < pages.size() && pages.get(at) >> Recurrence.BITS == page) {
                learn(pages.get(at++), true);
            } else {
                next.add(page << Recurrence.BITS | Recurrence.FIRST);
                range = last.seek(range, page);
                gapWritten += last.has(range, page) ? 1 : 0;
            }
        }
        while (at < pages.size()) {
            learn(pages.get(at++), false);
        }
        LongVector swap = pages;
        pages = next;
        next = swap;
    }

    private void learn(long entry, boolean written) {
        int history = (int) (entry & HISTORY);
        recurrence.learn(history, written);
        int now = Recurrence.after(history, written);
        if (now != Recurrence.NONE) {
            next.add(entry & ~HISTORY | now);
        }
    }

    @Override
    public void predict(PageRanges open, PageRanges kept, PageRanges lifted) {
        recurrence.weigh(copyNs, prices.faultNs() + (lateShare + (1 - lateShare) * AHEAD) * copyNs);
        keep(open, kept);
        lift(open, lifted);
        last.copyFrom(kept);
    }

    private void keep(PageRanges open, PageRanges into) {
        double gapPage = gapWritten / gapSeen * copyNs;
        into.clear();
        gapPages = 0;
        long first = 0;
        long end = 0; // one past the last page that gains
        long known = 0; // pages with a history in the range
        double sum = 0; // of the pages from first to end
        double since = 0; // of those from there on that have a history
        int knownSince = 0;
        long range = 0;
        for (long i = 0; i < pages.size(); i++) {
            long page = pages.get(i) >> Recurrence.BITS;
            range = open.seek(range, page);
            double here = gainNs((int) (pages.get(i) & HISTORY), open.has(range, page));
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
    }

    /** That a page is kept: of a protected one only if it is written, and nothing otherwise. */
    private double gainNs(int history, boolean isOpen) {
        double share = recurrence.share(history);
        double ifWritten = recurrence.gainNs(Recurrence.after(history, true));
        if (isOpen) {
            return share * ifWritten + (1 - share) * recurrence.gainNs(Recurrence.after(history, false));
        }
        return share < SELDOM ? 0 : share * ifWritten;
    }

    private void close(long first, long end, long known, double sum, PageRanges into) {
        if (addIfWorth(first, end, sum, into)) {
            gapPages += end - first - known;
        }
    }

    /** Whole runs only, for each is a call of the kernel's in the pause. */
    private void lift(PageRanges open, PageRanges into) {
        into.clear();
        long first = 0;
        long end = 0;
        double sum = 0;
        long range = 0;
        for (long i = 0; i < pages.size(); i++) {
            int history = (int) (pages.get(i) & HISTORY);
            double ifNotWritten = recurrence.gainNs(Recurrence.after(history, false));
            if (ifNotWritten <= 0) {
                continue;
            }
            long page = pages.get(i) >> Recurrence.BITS;
            range = open.seek(range, page);
            if (open.has(range, page)) {
                continue;
            }
            if (page != end) {
                addIfWorth(first, end, sum, into);
                first = page;
                sum = 0;
            }
            sum += (1 - recurrence.share(history)) * ifNotWritten;
            end = page + 1;
        }
        addIfWorth(first, end, sum, into);
    }

    private boolean addIfWorth(long first, long end, double sum, PageRanges into) {
        if (sum <= prices.rangeNs()) {
            return false;
        }
        into.add(first, end);
        return true;
    }

    @Override
    public void close() {
        pages.close();
        next.close();
        last.close();
    }
}
