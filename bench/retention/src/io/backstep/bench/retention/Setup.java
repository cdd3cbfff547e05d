// SPDX-License-Identifier: Apache-2.0
package io.backstep.bench.retention;

import java.util.ArrayList;
import java.util.List;

import io.backstep.retain.ErrorLatency;
import io.backstep.retain.KeepCoverage;
import io.backstep.retain.KeepLast;
import io.backstep.retain.KeepSpan;
import io.backstep.retain.RecoveryOrder;
import io.backstep.retain.Retention;

/**
 * What is simulated.
 *
 * @param latencyText as it is told: a measured one without its directory
 * @param policy what is kept, in the words of the options
 * @param order of the attempts where the retention has one, else null: then the newest is tried first
 */
record Setup(String latencyText, ErrorLatency latency, int intervalMs, String policy, Retention retention,
        RecoveryOrder order) {
    static final double COVERAGE = 0.99;
    static final long NS_PER_MS = 1_000_000;
    static final long ROLLBACK_NS = 2 * NS_PER_MS;
    private static final int KEPT_BY_DEFAULT = 3;

    /** The last ones, a history as long as the coverage needs, and the coverage. */
    static List<Setup> of(String latencyText, ErrorLatency latency, int intervalMs) {
        KeepCoverage coverage = keepCoverage(latency, intervalMs);
        List<Setup> setups = new ArrayList<>();
        setups.add(new Setup(latencyText, latency, intervalMs, "last " + KEPT_BY_DEFAULT,
                new KeepLast(KEPT_BY_DEFAULT), null));
        setups.add(new Setup(latencyText, latency, intervalMs, "span " + coverage.spanNs() / NS_PER_MS + "ms",
                new KeepSpan(coverage.spanNs()), null));
        setups.add(new Setup(latencyText, latency, intervalMs, "coverage " + COVERAGE, coverage, order(latency)));
        return setups;
    }

    private static KeepCoverage keepCoverage(ErrorLatency latency, int intervalMs) {
        return KeepCoverage.ofFew(latency, COVERAGE, intervalMs * NS_PER_MS, order(latency));
    }

    private static RecoveryOrder order(ErrorLatency latency) {
        return new RecoveryOrder(latency, ROLLBACK_NS);
    }

    long intervalNs() {
        return intervalMs * NS_PER_MS;
    }

    @Override
    public String toString() {
        return latencyText + ", " + intervalMs + " ms, " + policy;
    }
}
