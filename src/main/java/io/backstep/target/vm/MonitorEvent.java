// SPDX-License-Identifier: Apache-2.0
package io.backstep.target.vm;

import java.util.Map;

/**
 * What QEMU told of its own accord.
 *
 * @param name as QMP has it: "STOP", "GUEST_PANICKED"
 * @param atNs when it was received, by System.nanoTime
 */
record MonitorEvent(String name, Map<String, Object> data, long atNs) {
}
