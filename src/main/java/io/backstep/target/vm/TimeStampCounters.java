// SPDX-License-Identifier: Apache-2.0
package io.backstep.target.vm;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;

import io.backstep.core.BackstepException;
import io.backstep.core.BackstepException.Reason;

/**
 * The processors' time stamp counters in a machine's state, as a QEMU that emulates them saves it. What a counter shows is
 * the sum of a count of ticks that all have in common and of an offset of its own. The count never goes back in a QEMU,
 * whatever is loaded: it stays at what it has reached. So a state is loaded with a count that was not reached yet, and with
 * offsets that are less by as much.
 *
 * <pre>
 * section:  type (4: whole), number (4 bytes), length of the name (1), name, instance (4), version (4), fields
 * "timer":  ticks (8), unused (8), clock (8)                    one
 * "cpu":    896 bytes of registers, offset (8), ...             one for each processor
 * </pre>
 *
 * <p>Of these versions nothing can move: QEMU loads the states of older ones.
 */
final class TimeStampCounters {
    private static final byte WHOLE = 4;
    private static final byte PART_FOLLOWS = 5; // the ticks are counted instructions, which do go back
    private static final int NUMBER_BYTES = 4;
    private static final int INSTANCE_BYTES = 4;
    private static final int NOWHERE = -1;

    private static final String TIMER = "timer";
    private static final int TIMER_VERSION = 2;
    private static final int TICKS = 0;
    private static final int TIMER_END = 24;

    private static final String PROCESSOR = "cpu";
    private static final int PROCESSOR_VERSION = 12;
    private static final int OFFSET = 896;

    private TimeStampCounters() {
    }

    /**
     * The ticks at a state.
     *
     * @throws BackstepException FAILED: this is no such state
     */
    static long ticks(ByteBuffer stream) {
        return stream.getLong(timer(stream) + TICKS);
    }

    /**
     * The same state with another count of ticks; each counter shows what it did. In a buffer of its own.
     *
     * @throws BackstepException FAILED: this is no such state
     */
    static ByteBuffer withTicks(ByteBuffer stream, long ticks) {
        ByteBuffer copy = ByteBuffer.allocate(stream.remaining()).put(stream.duplicate()).flip();
        int timer = timer(copy);
        if (copy.get(timer + TIMER_END) == PART_FOLLOWS) {
            return copy;
        }
        long more = ticks - copy.getLong(timer + TICKS);
        copy.putLong(timer + TICKS, ticks);
        for (int at = timer; (at = fields(copy, at, PROCESSOR, PROCESSOR_VERSION)) != NOWHERE;) {
            copy.putLong(at + OFFSET, copy.getLong(at + OFFSET) - more);
        }
        return copy;
    }

    private static int timer(ByteBuffer stream) {
        int fields = fields(stream, stream.position(), TIMER, TIMER_VERSION);
        if (fields == NOWHERE || fields + TIMER_END >= stream.limit()) {
            throw new BackstepException(Reason.FAILED, "QEMU's state of the machine names no clock");
        }
        return fields;
    }

    /** Where the fields of the next section of a name begin. */
    private static int fields(ByteBuffer stream, int from, String name, int version) {
        byte[] word = name.getBytes(StandardCharsets.US_ASCII);
        for (int at = from;; at++) {
            int length = at + 1 + NUMBER_BYTES;
            int atVersion = length + 1 + word.length + INSTANCE_BYTES;
            int fields = atVersion + Integer.BYTES;
            if (fields > stream.limit()) {
                return NOWHERE;
            }
            if (stream.get(at) == WHOLE && stream.get(length) == word.length && stream.getInt(atVersion) == version
                    && stream.slice(length + 1, word.length).equals(ByteBuffer.wrap(word))) {
                return fields;
            }
        }
    }
}
