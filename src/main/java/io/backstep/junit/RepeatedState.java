// SPDX-License-Identifier: Apache-2.0
package io.backstep.junit;

import io.backstep.Backstep;
import io.backstep.target.region.Region;

/** A region and its state at the beginning of the undisturbed run. */
final class RepeatedState implements AutoCloseable {
    private final Region region;
    private Backstep backstep;
    private long checkpoint;
    private boolean isUndisturbedRunWell;

    RepeatedState(long regionBytes) {
        region = Region.map("test", regionBytes);
    }

    Region region() {
        return region;
    }

    /** Takes the state that all runs begin with. */
    void take() {
        backstep = Backstep.launch(new Backstep.Context().region(region).keep(1));
        checkpoint = backstep.checkpoint();
    }

    /** Puts that state back but for some bits. */
    void putBack(BitFlip flip) {
        backstep.rollbackTo(checkpoint);
        backstep.target().faultSurface().flipMemory(region.address() + flip.offset(), flip.mask());
    }

    void undisturbedRunIsWell() {
        isUndisturbedRunWell = true;
    }

    boolean isUndisturbedRunWell() {
        return isUndisturbedRunWell;
    }

    @Override
    public void close() {
        if (backstep != null) {
            backstep.close();
        }
        region.close();
    }
}
