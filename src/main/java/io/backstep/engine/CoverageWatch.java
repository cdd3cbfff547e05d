// SPDX-License-Identifier: Apache-2.0
package io.backstep.engine;

import java.util.List;
import java.util.Locale;

import io.backstep.core.Checkpoint;
import io.backstep.retain.KeepCoverage;

/**
 * Watches whether the coverage that was asked for is there although memory is short. Speaks when less is covered, when
 * that becomes less by a tenth, and when all is covered again, not at each capture. Until memory was short it does
 * nothing. Not thread-safe.
 */
final class CoverageWatch {
    /** Captures in a row that have the coverage, until it is there again. */
    private static final int LASTING = 32;
    private static final int NONE_TOLD = 11;

    private int toldTenths = NONE_TOLD;
    private int covered;
    private int shortages;
    private double least = Double.NaN;

    /**
     * A capture was taken.
     *
     * @param shortened whether the history became shorter since the last one, because memory is short
     * @return what is to be told of it, or null
     */
    String captured(KeepCoverage keep, List<Checkpoint> kept, boolean shortened) {
        if (!shortened && toldTenths == NONE_TOLD) {
            return null;
        }
        double achieved = keep.coverageOf(kept);
        if (achieved >= keep.coverage()) {
            return restored(keep);
        }
        covered = 0;
        least = Double.isNaN(least) ? achieved : Math.min(least, achieved);
        int tenths = (int) (achieved * 10);
        if (tenths >= toldTenths) {
            return null;
        }
        shortages += toldTenths == NONE_TOLD ? 1 : 0;
        toldTenths = tenths;
        return String.format(Locale.ROOT, "the memory budget is used up: of the errors %.1f%% are covered, not %s%%",
                100 * achieved, percent(keep.coverage()));
    }

    private String restored(KeepCoverage keep) {
        if (toldTenths == NONE_TOLD || ++covered < LASTING) {
            return null;
        }
        toldTenths = NONE_TOLD;
        covered = 0;
        return "memory suffices again: of the errors " + percent(keep.coverage()) + "% are covered";
    }

    private static String percent(double share) {
        String text = String.format(Locale.ROOT, "%.3f", 100 * share);
        return text.replaceAll("\\.?0+$", "");
    }

    /** How often the coverage was not there any more. */
    int shortages() {
        return shortages;
    }

    /** The least coverage while it was not there; NaN if it always was. */
    double least() {
        return least;
    }
}
