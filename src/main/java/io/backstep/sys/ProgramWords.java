// SPDX-License-Identifier: Apache-2.0
package io.backstep.sys;

import io.backstep.core.LongVector;
import org.agrona.UnsafeApi;

/** {@code struct bs_program}: the words in their order, and the strings and numbers that they point to. */
final class ProgramWords extends NativeWords {
    static final int STRUCT = 5;

    private static final int STRINGS = 0;
    private static final int ARGUMENT_COUNT = STRINGS + 1;
    private static final int IGNORED_SIGNALS = ARGUMENT_COUNT + 1;
    private static final int INHERITED = IGNORED_SIGNALS + 1;
    private static final int INHERITED_COUNT = INHERITED + 1;
    private static final int OUTPUT = INHERITED_COUNT + 1;
    private static final int ERROR = OUTPUT + 1;
    private static final int WORDS = ERROR + 1;

    private final LongVector inherited = new LongVector();
    private final long strings;

    /** Writes all words; arguments hold a zero byte each. */
    ProgramWords(byte[] file, byte[] arguments, Inheritance inheritance, long output, long error) {
        super(WORDS);
        strings = UnsafeApi.allocateMemory(file.length + 1L + arguments.length);
        copy(file, strings);
        UnsafeApi.putByte(strings + file.length, (byte) 0);
        word(STRINGS, strings);
        word(ARGUMENT_COUNT, copy(arguments, strings + file.length + 1));
        inheritance.descriptors().forEach(inherited::add);
        word(IGNORED_SIGNALS, inheritance.ignoredSignals());
        word(INHERITED, inherited.address());
        word(INHERITED_COUNT, inherited.size());
        word(OUTPUT, output);
        word(ERROR, error);
    }

    /** Returns how many zero bytes there were. */
    private static int copy(byte[] from, long to) {
        int zeros = 0;
        for (int i = 0; i < from.length; i++) {
            UnsafeApi.putByte(to + i, from[i]);
            zeros += from[i] == 0 ? 1 : 0;
        }
        return zeros;
    }

    @Override
    void freeMore() {
        UnsafeApi.freeMemory(strings);
        inherited.close();
    }
}
