// SPDX-License-Identifier: Apache-2.0
package io.backstep.engine;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Deque;
import java.util.Iterator;
import java.util.List;

/** The first hundred and the last thousand of however many things; what is left out is counted. Not thread-safe. */
final class FirstAndLast<T> {
    static final int FIRST = 100;
    static final int LAST = 1_000;

    private final List<T> first = new ArrayList<>();
    private final Deque<T> last = new ArrayDeque<>();
    private long leftOut;

    void add(T thing) {
        if (first.size() < FIRST) {
            first.add(thing);
            return;
        }
        if (last.size() == LAST) {
            last.removeFirst();
            leftOut++;
        }
        last.addLast(thing);
    }

    /** The newest, or null. */
    T newest() {
        return last.isEmpty() ? first.isEmpty() ? null : first.get(first.size() - 1) : last.getLast();
    }

    void replaceNewest(T thing) {
        if (last.isEmpty()) {
            first.set(first.size() - 1, thing);
        } else {
            last.removeLast();
            last.addLast(thing);
        }
    }

    /** How many there were. */
    long count() {
        return first.size() + last.size() + leftOut;
    }

    long leftOut() {
        return leftOut;
    }

    /** Those that are kept, in order. */
    List<T> kept() {
        List<T> kept = new ArrayList<>(first);
        kept.addAll(last);
        return kept;
    }

    /** The kept ones of those that came after there were a number of them; quick if these are few. */
    List<T> since(long count) {
        long some = count() - count;
        if (some > last.size()) {
            List<T> kept = kept();
            return kept.subList((int) Math.max(0, kept.size() - some), kept.size());
        }
        List<T> since = new ArrayList<>();
        for (Iterator<T> newest = last.descendingIterator(); since.size() < some;) {
            since.add(newest.next());
        }
        Collections.reverse(since);
        return since;
    }
}
