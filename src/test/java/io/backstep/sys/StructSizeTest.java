// SPDX-License-Identifier: Apache-2.0
package io.backstep.sys;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.List;

import org.junit.jupiter.api.Test;

/** The structs shared with the native library, as both sides see them. */
class StructSizeTest {
    private static void assertSize(int struct, NativeWords words) {
        try (words) {
            assertEquals(LibBackstep.bs_struct_size(struct), words.sizeBytes(), words.getClass().getSimpleName());
        }
    }

    @Test
    void shouldHaveTheSizeThatTheNativeLibraryKnows() {
        assertSize(HostWords.STRUCT, new HostWords());
        assertSize(EventWords.STRUCT, new EventWords());
        assertSize(CaptureWords.STRUCT, new CaptureWords());
        assertSize(RestoreWords.STRUCT, new RestoreWords());
        assertSize(RestorePagesWords.STRUCT, new RestorePagesWords());
        assertSize(SavedWords.STRUCT, new SavedWords());
        assertSize(ProgramWords.STRUCT, new ProgramWords(new byte[0], new byte[0], Inheritance.NONE, 0, 0));
    }

    @Test
    void shouldKnowEveryStructOfTheNativeLibrary() {
        List<Integer> known = List.of(HostWords.STRUCT, EventWords.STRUCT, CaptureWords.STRUCT, RestoreWords.STRUCT,
                RestorePagesWords.STRUCT, ProgramWords.STRUCT, SavedWords.STRUCT);

        assertEquals(List.of(0, 1, 2, 3, 4, 5, 6), known);
        assertEquals(0, LibBackstep.bs_struct_size(known.size()), "there are more");
        assertEquals(0, LibBackstep.bs_struct_size(-1));
    }

    @Test
    void shouldStartWithZeros() {
        try (EventWords event = new EventWords()) {
            assertEquals(EventWords.NONE, event.kind());
            assertEquals(0, event.faultAddress());
        }
    }

    @Test
    void shouldBeClosedTwice() {
        NativeWords words = new EventWords();
        words.close();
        words.close();
        assertEquals(0, words.address());
    }

    @Test
    void shouldTellALastErrorEvenIfThereWasNone() {
        assertEquals(String.class, LibBackstep.bs_last_error().getClass());
        assertThrows(IndexOutOfBoundsException.class, () -> NativeProcess.registerNames().get(1_000));
    }
}
