// SPDX-License-Identifier: Apache-2.0
package io.backstep.bench.regions;

import java.util.SplittableRandom;

import io.backstep.core.LongVector;
import io.backstep.core.Pages;
import io.backstep.target.region.Region;
import org.agrona.UnsafeApi;

/** Sets of pages of a region, chosen at random, in turn, so that no two intervals in a row write to the same pages. */
final class PageSets {
    private static final int SETS = 8;
    private static final long SEED = 1;

    private final LongVector[] sets = new LongVector[SETS];
    private long value;
    private int turn;

    PageSets(Region region, double percent) {
        this(region, Math.max(1, Math.round(Pages.ofAddress(region.lengthBytes()) * percent / 100)));
    }

    PageSets(Region region, long pagesOfSet) {
        SplittableRandom random = new SplittableRandom(SEED);
        for (int i = 0; i < SETS; i++) {
            sets[i] = choose(region, pagesOfSet, random);
        }
    }

    /** Ascending, each set of that size as likely as any other. */
    private static LongVector choose(Region region, long wanted, SplittableRandom random) {
        LongVector chosen = new LongVector();
        long pages = Pages.ofAddress(region.lengthBytes());
        for (long page = 0; page < pages; page++) {
            if (random.nextLong(pages - page) < wanted - chosen.size()) {
                chosen.add(region.address() + Pages.toAddress(page));
            }
        }
        return chosen;
    }

    /** Addresses of the next set's pages. */
    LongVector next() {
        turn = (turn + 1) % SETS;
        return sets[turn];
    }

    /** Addresses of the pages of the set whose turn it is. */
    LongVector now() {
        return sets[turn];
    }

    /** Writes one word to each page of the next set. */
    void writeNext() {
        write(next());
    }

    void write(LongVector pages) {
        value++;
        for (long i = 0; i < pages.size(); i++) {
            UnsafeApi.putLong(pages.get(i), value);
        }
    }

    long size() {
        return sets[0].size();
    }
}
