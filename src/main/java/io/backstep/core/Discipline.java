// SPDX-License-Identifier: Apache-2.0
package io.backstep.core;

import java.util.Locale;

/** How a capture gets its pre-images. */
public enum Discipline {
    /** Written pages are copied in the pause; what they were is in the mirror. */
    COPY,
    /** A page is saved at its first write, which is held until that is done; no mirror of all pages is needed. */
    COW;

    /** As options and reports name it. */
    public String key() {
        return name().toLowerCase(Locale.ROOT);
    }
}
