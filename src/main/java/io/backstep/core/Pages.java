// SPDX-License-Identifier: Apache-2.0
package io.backstep.core;

/** The size of a page, and the way between page numbers and addresses. */
public final class Pages {
    public static final int PAGE_SIZE = 4096;
    public static final int PAGE_SHIFT = 12;

    private Pages() {
    }

    /** The address or byte offset at which a page starts. */
    public static long toAddress(long page) {
        return page << PAGE_SHIFT;
    }

    /** The page that an address or byte offset lies in. */
    public static long ofAddress(long address) {
        return address >>> PAGE_SHIFT;
    }

    public static long toBytes(long pages) {
        return pages << PAGE_SHIFT;
    }
}
