// SPDX-License-Identifier: Apache-2.0
package io.backstep.retain;

import java.util.ArrayList;
import java.util.List;
import java.util.regex.Pattern;

import io.backstep.core.Units;

/** Reads the text form of an error latency. */
final class LatencyText {
    private static final String FORM = "expected exp:mean=TIME, uniform:TIME..TIME, lognormal:median=TIME,sigma=N, "
            + "weibull:scale=TIME,shape=N, hist:FILE or mix:SHARE*LATENCY+SHARE*LATENCY, such as exp:mean=20ms";
    /** A plus sign in a file's name is none between parts. */
    private static final Pattern BETWEEN_PARTS = Pattern.compile("\\+(?=[0-9.]+\\*)");

    private LatencyText() {
    }

    static ErrorLatency parse(String text) {
        try {
            return read(text);
        } catch (IllegalArgumentException e) {
            throw new IllegalArgumentException("\"" + text + "\" is not an error latency: " + e.getMessage(), e);
        }
    }

    private static ErrorLatency read(String text) {
        int colon = text.indexOf(':');
        String shape = colon < 0 ? text : text.substring(0, colon);
        String rest = colon < 0 ? "" : text.substring(colon + 1);
        switch (shape) {
            case "exp":
                return ParametricLatency.exponential(time(values(rest, "mean")[0]));
            case "uniform":
                String[] times = rest.split("\\.\\.", -1);
                if (times.length != 2) {
                    throw new IllegalArgumentException("expected uniform:TIME..TIME, such as uniform:0..1s");
                }
                return ParametricLatency.uniform(time(times[0]), time(times[1]));
            case "lognormal":
                String[] normal = values(rest, "median", "sigma");
                return ParametricLatency.logNormal(time(normal[0]), number(normal[1]));
            case "weibull":
                String[] weibull = values(rest, "scale", "shape");
                return ParametricLatency.weibull(time(weibull[0]), number(weibull[1]));
            case "hist":
                return MeasuredLatency.of(rest);
            case "mix":
                return mixture(rest);
            default:
                throw new IllegalArgumentException(FORM);
        }
    }

    private static ErrorLatency mixture(String text) {
        List<LatencyMixture.Part> parts = new ArrayList<>();
        for (String part : BETWEEN_PARTS.split(text, -1)) {
            int star = part.indexOf('*');
            if (star < 0) {
                throw new IllegalArgumentException(
                        "\"" + part + "\" has no share: expected SHARE*LATENCY, such as 0.1*uniform:0..2s");
            }
            String latency = part.substring(star + 1);
            if (latency.startsWith("mix:")) {
                throw new IllegalArgumentException("there is a mixture in a mixture");
            }
            parts.add(new LatencyMixture.Part(number(part.substring(0, star)), read(latency)));
        }
        return new LatencyMixture(parts);
    }

    /** The values of name=value pairs, which must be there in the order of the names. */
    private static String[] values(String text, String... names) {
        String[] pairs = text.split(",", -1);
        String[] values = new String[names.length];
        for (int i = 0; i < Math.max(pairs.length, names.length); i++) {
            if (i >= pairs.length || i >= names.length || !pairs[i].startsWith(names[i] + "=")) {
                String found = i < pairs.length ? "\"" + pairs[i] + "\"" : "nothing";
                String wanted = i < names.length ? names[i] + "=" : "no more";
                throw new IllegalArgumentException("expected " + wanted + " where there is " + found);
            }
            values[i] = pairs[i].substring(names[i].length() + 1);
        }
        return values;
    }

    private static long time(String text) {
        return text.equals("0") ? 0 : Units.parseDurationNs(text);
    }

    private static double number(String text) {
        try {
            return Double.parseDouble(text);
        } catch (NumberFormatException e) {
            throw new IllegalArgumentException("\"" + text + "\" is not a number", e);
        }
    }

    /** The shortest text from which the same number is read. */
    static String format(double number) {
        return number == Math.rint(number) && Math.abs(number) < 1e15
                ? Long.toString((long) number) : Double.toString(number);
    }
}
