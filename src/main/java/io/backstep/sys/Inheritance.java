// SPDX-License-Identifier: Apache-2.0
package io.backstep.sys;

import java.util.List;

/**
 * What a program finds as its parent left it, though a virtual machine lies between.
 *
 * @param ignoredSignals signals that it finds ignored: bit n-1 for signal n
 * @param descriptors numbers above 2 that stay open for it
 */
public record Inheritance(long ignoredSignals, List<Long> descriptors) {
    public static final Inheritance NONE = new Inheritance(0, List.of());

    public Inheritance {
        descriptors = List.copyOf(descriptors);
    }
}
