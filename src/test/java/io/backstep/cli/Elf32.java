// SPDX-License-Identifier: Apache-2.0
package io.backstep.cli;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/** The smallest 32-bit x86 programs, made by hand: no 32-bit compiler or library is needed. */
final class Elf32 {
    private static final int BASE = 0x08048000;
    private static final int HEADER_BYTES = 52;
    private static final int SEGMENT_BYTES = 32;

    private Elf32() {
    }

    /** mov eax, 1 (exit); mov ebx, status; int 0x80 */
    static byte[] exitingWith(int status) {
        return program(0xb8, 1, 0, 0, 0, 0xbb, status, 0, 0, 0, 0xcd, 0x80);
    }

    /** again: mov eax, 29 (pause); int 0x80; jmp again */
    static byte[] pausing() {
        return program(0xb8, 29, 0, 0, 0, 0xcd, 0x80, 0xeb, 0xf7);
    }

    private static byte[] program(int... code) {
        int start = HEADER_BYTES + SEGMENT_BYTES;
        int length = start + code.length;
        ByteBuffer file = ByteBuffer.allocate(length).order(ByteOrder.LITTLE_ENDIAN);
        file.put(new byte[] {0x7f, 'E', 'L', 'F', 1, 1, 1, 0}).putLong(0); // 32 bits, little endian
        file.putShort((short) 2).putShort((short) 3).putInt(1); // an executable for the 80386
        file.putInt(BASE + start).putInt(HEADER_BYTES).putInt(0).putInt(0); // entry, segments, no sections
        file.putShort((short) HEADER_BYTES).putShort((short) SEGMENT_BYTES).putShort((short) 1);
        file.putShort((short) 40).putShort((short) 0).putShort((short) 0);
        file.putInt(1).putInt(0).putInt(BASE).putInt(BASE).putInt(length).putInt(length).putInt(5).putInt(4096); // load all
        for (int octet : code) {
            file.put((byte) octet);
        }
        return file.array();
    }
}
