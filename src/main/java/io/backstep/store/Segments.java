// SPDX-License-Identifier: Apache-2.0
package io.backstep.store;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;

/** Segments by the addresses of their frames. Finding allocates nothing. Not thread-safe. */
final class Segments {
    private static final int RECENT = 64;
    private static final int RECENT_SHIFT = 22;
    private static final Comparator<Segment> ASCENDING = Comparator.comparingLong(Segment::firstFrame);

    /** Ascending. */
    private final List<Segment> segments = new ArrayList<>();
    /** Segments that were found lately, by bits of the address that was looked for: frames are looked for in turn. */
    private final Segment[] recent = new Segment[RECENT];

    int count() {
        return segments.size();
    }

    Segment get(int index) {
        return segments.get(index);
    }

    void add(Segment segment) {
        segments.add(segment);
        segments.sort(ASCENDING);
    }

    Segment remove(int index) {
        Arrays.fill(recent, null);
        return segments.remove(index);
    }

    /** The segment in which there is a frame at an address, or null. */
    Segment find(long frame) {
        int slot = (int) (frame >>> RECENT_SHIFT) & (RECENT - 1);
        Segment segment = recent[slot];
        if (segment != null && segment.has(frame)) {
            return segment;
        }
        if (segments.isEmpty()) {
            return null;
        }
        segment = segments.get(indexFor(frame));
        if (!segment.has(frame)) {
            return null;
        }
        recent[slot] = segment;
        return segment;
    }

    /** Which segment a frame lies in, if in any. */
    int indexFor(long frame) {
        int low = 0;
        int high = segments.size() - 1;
        while (low < high) {
            int middle = (low + high + 1) >>> 1;
            if (segments.get(middle).firstFrame() <= frame) {
                low = middle;
            } else {
                high = middle - 1;
            }
        }
        return low;
    }

    /** The first frame at or behind an address; 0 if there is none. */
    long next(long address) {
        for (int i = 0; i < segments.size(); i++) {
            Segment segment = segments.get(i);
            if (address < segment.endFrame()) {
                return Math.max(address, segment.firstFrame());
            }
        }
        return 0;
    }
}
