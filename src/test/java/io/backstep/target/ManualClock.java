// SPDX-License-Identifier: Apache-2.0
package io.backstep.target;

import java.util.function.LongSupplier;

/** A clock that stands until it is moved. It does not start at 0, so that a time cannot be taken for a duration. */
public final class ManualClock implements LongSupplier {
    private static final long START_NS = 7_000_000_000L;

    private long nowNs = START_NS;

    @Override
    public long getAsLong() {
        return nowNs;
    }

    public void advance(long nanos) {
        nowNs += nanos;
    }
}
