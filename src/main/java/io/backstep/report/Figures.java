// SPDX-License-Identifier: Apache-2.0
package io.backstep.report;

import java.math.BigDecimal;
import java.math.RoundingMode;
import java.util.Locale;

/** Numbers for people: few digits, and a unit that keeps them short. */
public final class Figures {
    private static final String[] TIME_UNITS = {" us", " ms", " s"};
    private static final String[] SIZE_UNITS = {" B", " KiB", " MiB", " GiB", " TiB"};
    private static final double US_PER_MINUTE = 60e6;
    private static final long SECONDS_PER_HOUR = 3600;

    private Figures() {
    }

    public static String micros(double us) {
        if (us >= US_PER_MINUTE) {
            long seconds = Math.round(us / 1e6);
            return seconds < SECONDS_PER_HOUR
                    ? seconds / 60 + " min " + seconds % 60 + " s"
                    : seconds / SECONDS_PER_HOUR + " h " + seconds / 60 % 60 + " min";
        }
        return scaled(us, 1000, TIME_UNITS);
    }

    public static String millis(double ms) {
        return micros(ms * 1000);
    }

    /** A time of a run, exact enough to find it in the JSON report. */
    static String moment(double atMs) {
        return String.format(Locale.ROOT, "%.3f s", atMs / 1000);
    }

    public static String bytes(long bytes) {
        return scaled(bytes, 1024, SIZE_UNITS);
    }

    public static String percent(double share) {
        return number(share * 100) + "%";
    }

    public static String number(double value) {
        return Double.isFinite(value) ? plain(rounded(value)) : "unknown";
    }

    /** A text without characters that move a terminal's cursor. */
    static String printable(String text) {
        StringBuilder printable = new StringBuilder(text);
        for (int i = 0; i < printable.length(); i++) {
            if (Character.isISOControl(printable.charAt(i))) {
                printable.setCharAt(i, '?');
            }
        }
        return printable.toString();
    }

    private static String scaled(double value, int step, String[] units) {
        double rest = value;
        int unit = 0;
        while (unit + 1 < units.length && rounded(rest).compareTo(BigDecimal.valueOf(step)) >= 0) {
            rest /= step;
            unit++;
        }
        return plain(rounded(rest)) + units[unit];
    }

    private static BigDecimal rounded(double value) {
        int decimals = value >= 100 ? 0 : value >= 10 ? 1 : 2;
        return BigDecimal.valueOf(value).setScale(decimals, RoundingMode.HALF_UP);
    }

    private static String plain(BigDecimal value) {
        return value.stripTrailingZeros().toPlainString();
    }
}
