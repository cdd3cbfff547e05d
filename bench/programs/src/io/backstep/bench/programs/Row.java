// SPDX-License-Identifier: Apache-2.0
package io.backstep.bench.programs;

/**
 * A way to take checkpoints: a discipline and a predictor of backstep, or {@code peer} and the name of something else.
 */
record Row(String capture, String predictor) {
    /** @param text such as {@code copy:off} */
    static Row of(String text) {
        String[] parts = text.split(":", -1);
        if (parts.length != 2 || parts[0].isEmpty() || parts[1].isEmpty()) {
            throw new IllegalArgumentException("a configuration is DISCIPLINE:PREDICTOR, such as copy:off, or "
                    + "peer:NAME, not '" + text + "'");
        }
        return new Row(parts[0], parts[1]);
    }

    boolean isPeer() {
        return "peer".equals(capture);
    }

    @Override
    public String toString() {
        return capture + ":" + predictor;
    }
}
