// SPDX-License-Identifier: Apache-2.0
package io.backstep.target.region;

import java.util.function.Predicate;

import org.agrona.DirectBuffer;

/**
 * Finds that something no longer holds which is true of a view of a region wherever its writers rest: sums agree, an
 * index points where it should. Writers wait while it looks.
 */
public final class InvariantDetector implements Detector {
    private final String name;
    private final DirectBuffer view;
    private final Predicate<DirectBuffer> holds;

    /**
     * @param view what is handed to the predicate, such as {@link Region#buffer()}
     * @param holds true when all is well; it must not write
     */
    public InvariantDetector(String name, DirectBuffer view, Predicate<DirectBuffer> holds) {
        this.name = name;
        this.view = view;
        this.holds = holds;
    }

    @Override
    public String name() {
        return name;
    }

    @Override
    public Problem check() {
        return holds.test(view) ? null : Problem.now("broken invariant", name + " does not hold");
    }
}
