// SPDX-License-Identifier: Apache-2.0
package io.backstep.core;

import java.math.BigDecimal;
import java.math.RoundingMode;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Times and sizes as people write them: {@code 50ms}, {@code 1.5s}, {@code 64M}, {@code 2GiB}. */
public final class Units {
    private static final Pattern DURATION = Pattern.compile("(\\d+(?:\\.\\d+)?)(ns|us|ms|s|m|h)");
    private static final Pattern SIZE =
            Pattern.compile("(\\d+(?:\\.\\d+)?)(?:([kmgt])(?:ib)?|b)?", Pattern.CASE_INSENSITIVE);
    private static final String SIZE_PREFIXES = "kmgt";

    private Units() {
    }

    /**
     * The nanoseconds of a time such as {@code 50ms}. What is finer than a nanosecond is rounded.
     *
     * @throws IllegalArgumentException the text is not a time, or one that a long cannot hold.
     */
    public static long parseDurationNs(String text) {
        Matcher matcher = DURATION.matcher(text);
        if (!matcher.matches()) {
            throw new IllegalArgumentException(
                    "\"" + text + "\" is not a time: expected a number and ns, us, ms, s, m or h, such as 50ms");
        }
        return toLong(text, "time", matcher.group(1), unitNs(matcher.group(2)));
    }

    /** The shortest text from which {@link #parseDurationNs} reads the same time, in the largest unit up to seconds. */
    public static String formatDuration(long durationNs) {
        String unit = durationNs >= 1_000_000_000 || durationNs == 0 ? "s"
                : durationNs >= 1_000_000 ? "ms" : durationNs >= 1_000 ? "us" : "ns";
        BigDecimal value = BigDecimal.valueOf(durationNs).divide(BigDecimal.valueOf(unitNs(unit)));
        return value.stripTrailingZeros().toPlainString() + unit;
    }

    /**
     * The bytes of a size such as {@code 4096}, {@code 64M} or {@code 2GiB}. Units are powers of 1024 and may be in
     * lower case.
     *
     * @throws IllegalArgumentException the text is not a size, or one that a long cannot hold.
     */
    public static long parseBytes(String text) {
        Matcher matcher = SIZE.matcher(text);
        if (!matcher.matches()) {
            throw new IllegalArgumentException("\"" + text + "\" is not a size: expected a number of bytes, "
                    + "or a number and K, M, G or T (powers of 1024), such as 64M or 2GiB");
        }
        String prefix = matcher.group(2);
        int power = prefix == null ? 0 : 1 + SIZE_PREFIXES.indexOf(prefix.toLowerCase(Locale.ROOT));
        return toLong(text, "size", matcher.group(1), 1L << 10 * power);
    }

    private static long unitNs(String unit) {
        return switch (unit) {
            case "ns" -> 1;
            case "us" -> 1_000;
            case "ms" -> 1_000_000;
            case "s" -> 1_000_000_000;
            case "m" -> 60_000_000_000L;
            case "h" -> 3_600_000_000_000L;
            default -> throw new AssertionError(unit);
        };
    }

    private static long toLong(String text, String kind, String number, long unit) {
        BigDecimal value = new BigDecimal(number).multiply(BigDecimal.valueOf(unit)).setScale(0, RoundingMode.HALF_UP);
        if (value.compareTo(BigDecimal.valueOf(Long.MAX_VALUE)) > 0) {
            throw new IllegalArgumentException("\"" + text + "\" is too large a " + kind);
        }
        return value.longValueExact();
    }
}
