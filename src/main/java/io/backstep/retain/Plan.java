// SPDX-License-Identifier: Apache-2.0
package io.backstep.retain;

import java.util.List;

/**
 * What a planner found.
 *
 * @param rows by interval, then by depth
 * @param recommended one of the rows, or one of less coverage if none of them fits the budget; null if nothing fits
 * @param coverage what the recommended row was planned for: the coverage asked, or the most that fits
 * @param availabilityOfRestarts without checkpoints
 */
public record Plan(PlanRequest request, List<PlanRow> rows, PlanRow recommended, double coverage,
        double availabilityOfRestarts) {
    /** True if the budget allows the coverage that was asked for. */
    public boolean isAchieved() {
        return recommended != null && coverage >= request.coverage();
    }
}
