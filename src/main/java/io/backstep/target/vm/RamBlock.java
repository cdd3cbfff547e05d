// SPDX-License-Identifier: Apache-2.0
package io.backstep.target.vm;

/**
 * A piece of a machine's memory as QEMU holds it: RAM, video memory, firmware.
 *
 * @param name as QEMU has it: "pc.ram"
 * @param hostAddress where it lies in QEMU's process; it begins a page
 * @param lengthBytes whole pages
 */
record RamBlock(String name, long hostAddress, long lengthBytes) {
    long hostEnd() {
        return hostAddress + lengthBytes;
    }
}
