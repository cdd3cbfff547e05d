// SPDX-License-Identifier: Apache-2.0
package io.backstep.target.vm;

import java.util.List;
import java.util.TreeSet;

import io.backstep.core.BackstepException;
import io.backstep.core.BackstepException.Reason;

/** The disks of a machine, which are marked and taken back together. Marks are numbered from 1. */
final class Disks implements AutoCloseable {
    private final List<VmDisk> all;
    private final TreeSet<Long> kept = new TreeSet<>();
    private final TreeSet<Long> unneeded = new TreeSet<>();
    private long last;
    private boolean isMarking;

    Disks(List<VmDisk> all) {
        this.all = all;
    }

    /** Begins to mark this moment. */
    void beginMark() {
        last++;
        isMarking = true;
        all.forEach(disk -> disk.beginMark(last));
    }

    /** Waits until it is marked, and gives the mark. */
    long endMark() {
        isMarking = false;
        BackstepException failure = null;
        for (VmDisk disk : all) { // each has an answer to give
            try {
                disk.endMark();
            } catch (BackstepException e) {
                failure = e;
            }
        }
        if (failure != null) {
            throw failure;
        }
        kept.add(last);
        return last;
    }

    /** A mark that was begun for nothing, if one was. */
    void abandonMark() {
        if (isMarking) {
            try {
                release(endMark());
            } catch (BackstepException e) {
                // it is not there, and nobody wants it
            }
        }
    }

    /** A mark is not needed any more; the disks are told later, when the machine does not wait. */
    void release(long mark) {
        if (kept.remove(mark)) {
            unneeded.add(mark);
        }
    }

    /** Tells the disks. */
    void drop() {
        for (long mark : unneeded) {
            all.forEach(disk -> disk.drop(mark));
        }
        unneeded.clear();
    }

    /**
     * Can they be taken back to that mark?
     *
     * @throws BackstepException REFUSED: no
     */
    void require(long mark) {
        for (VmDisk disk : all) {
            if (mark < disk.oldestMark()) {
                throw new BackstepException(Reason.REFUSED, "a disk was not kept as it was then: its server's memory was "
                        + "used up, or it was started anew since");
            }
        }
    }

    /** They are what they were at a mark. */
    void rollBack(long mark) {
        all.forEach(disk -> disk.rollBack(mark));
        kept.tailSet(mark, false).clear();
        unneeded.tailSet(mark, false).clear();
    }

    @Override
    public void close() {
        all.forEach(VmDisk::close);
    }
}
