// SPDX-License-Identifier: Apache-2.0
package io.backstep.retain;

import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;

import io.backstep.core.Checkpoint;

/** Errors at random moments of a run: each is looked at, and then all goes on as if it had not been. Seeded. */
final class RetentionSimulation {
    /** What is done about an error. */
    @FunctionalInterface
    interface Treatment {
        /**
         * @param agesNs of the checkpoints when the error is noticed, ascending
         * @param latencyNs how old the fault is
         */
        void error(double[] agesNs, double latencyNs);
    }

    private final Retention retention;
    private final ErrorLatency latency;
    private final long intervalNs;
    private final SplittableRandom random;

    RetentionSimulation(Retention retention, ErrorLatency latency, long intervalNs, long seed) {
        this.retention = retention;
        this.latency = latency;
        this.intervalNs = intervalNs;
        random = new SplittableRandom(seed);
    }

    /** Simulates a number of errors. One of three intervals has some, so that they are nearly independent. */
    void errors(int count, Treatment treatment) {
        List<Checkpoint> kept = new ArrayList<>();
        long warmUp = 100 + 2 * retention.longestNs(intervalNs) / intervalNs;
        int errors = 0;
        for (long i = 0; errors < count; i++) {
            kept.add(new Checkpoint(i, i * intervalNs, null));
            for (Checkpoint excess; (excess = retention.excess(kept)) != null;) {
                kept.remove(excess);
            }
            for (int k = random.nextInt(3); i >= warmUp && k == 0 && errors < count; k = random.nextInt(2)) {
                double noticedNs = (i + random.nextDouble()) * intervalNs;
                double[] agesNs = new double[kept.size()];
                for (int c = 0; c < agesNs.length; c++) {
                    agesNs[c] = noticedNs - kept.get(agesNs.length - 1 - c).atNs();
                }
                treatment.error(agesNs, latency.sample(random));
                errors++;
            }
        }
    }
}
