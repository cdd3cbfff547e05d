// SPDX-License-Identifier: Apache-2.0
package io.backstep.bench.retention;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;

import io.backstep.core.Checkpoint;
import io.backstep.retain.Retention;

/** The checkpoints that a retention keeps, without what they would hold. Not thread-safe. */
final class History {
    private final Retention retention;
    private final List<Checkpoint> oldestFirst = new ArrayList<>();
    private final List<Checkpoint> view = Collections.unmodifiableList(oldestFirst);
    private long nextId;

    History(Retention retention) {
        this.retention = retention;
    }

    Checkpoint capture(long atNs) {
        Checkpoint checkpoint = new Checkpoint(nextId++, atNs, null);
        oldestFirst.add(checkpoint);
        for (Checkpoint excess; (excess = retention.excess(view)) != null;) {
            oldestFirst.remove(excess);
        }
        return checkpoint;
    }

    /** What a rollback does. */
    void dropNewerThan(Checkpoint restored) {
        while (oldestFirst.get(oldestFirst.size() - 1) != restored) {
            oldestFirst.remove(oldestFirst.size() - 1);
        }
    }

    void clear() {
        oldestFirst.clear();
    }

    List<Checkpoint> oldestFirst() {
        return view;
    }

    int size() {
        return oldestFirst.size();
    }

    /** Ascending. */
    double[] agesNs(double nowNs) {
        double[] agesNs = new double[oldestFirst.size()];
        for (int i = 0; i < agesNs.length; i++) {
            agesNs[i] = nowNs - oldestFirst.get(agesNs.length - 1 - i).atNs();
        }
        return agesNs;
    }
}
