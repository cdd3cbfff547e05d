// SPDX-License-Identifier: Apache-2.0
package io.backstep.retain;

import java.util.List;

/**
 * What a plan is asked for.
 *
 * @param coverage the probability with which a clean checkpoint shall be there
 * @param intervalsNs the intervals to compare, ascending
 * @param budgetBytes for mirror and undo logs
 * @param betweenErrorsNs the mean time between two errors
 * @param restartNs what an error costs that no checkpoint undoes
 * @param rollbackNs what a rollback takes
 */
public record PlanRequest(ErrorLatency latency, double coverage, List<Long> intervalsNs, Workload workload,
        double budgetBytes, double betweenErrorsNs, double restartNs, double rollbackNs) {
    RecoveryOrder order() {
        return new RecoveryOrder(latency, rollbackNs);
    }
}
