// SPDX-License-Identifier: Apache-2.0
package io.backstep.target.region;

/**
 * Something that is wrong with the content of a region.
 *
 * @param what a short name, the same when it happens again
 * @param detail more about it, for people
 * @param occurredNs when it occurred at the latest, by System.nanoTime, as far as who noticed it knows: checkpoints
 *     taken later are not tried
 */
public record Problem(String what, String detail, long occurredNs) {
    /** One of which is known only that it is there now. */
    public static Problem now(String what, String detail) {
        return new Problem(what, detail, System.nanoTime());
    }

    /** The same problem, which may be as old as that. */
    Problem noLaterThan(long nanoTime) {
        return occurredNs - nanoTime <= 0 ? this : new Problem(what, detail, nanoTime);
    }
}
