// SPDX-License-Identifier: Apache-2.0
package io.backstep.cli;

import java.util.Locale;
import java.util.function.Function;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;

import io.backstep.Backstep;
import io.backstep.core.Discipline;
import io.backstep.core.Units;
import io.backstep.disk.ImageFormat;
import io.backstep.inject.FaultSpec;
import io.backstep.predict.Prediction;
import io.backstep.retain.ErrorLatency;
import io.backstep.retain.KeepLast;
import io.backstep.retain.KeepSpan;
import io.backstep.target.vm.Detector;
import io.backstep.retain.Retention;
import io.backstep.store.Redundancy;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/** What the texts of options stand for. A text that stands for nothing is told in one line. */
final class OptionValues {
    /** What {@link Latency} reads, as help tells it. */
    static final String LATENCY_FORMS =
            "How long after a fault its error is noticed: exp:mean=20ms, uniform:0..1s, "
            + "lognormal:median=5ms,sigma=1.5, weibull:scale=20ms,shape=0.5, hist:FILE (an HdrHistogram log) "
            + "or mix:0.9*exp:mean=1ms+0.1*uniform:0..2s.";

    private static final long SHORTEST_NS = 1_000_000;

    private OptionValues() {
    }

    /** @throws IllegalArgumentException nothing can be captured as often as that */
    static void requireInterval(long ns) {
        requireLongEnough("--interval", ns);
    }

    /** @throws IllegalArgumentException nothing can be looked at as often as that */
    static void requireScrub(long ns) {
        requireLongEnough("--scrub", ns);
    }

    private static void requireLongEnough(String option, long ns) {
        if (ns < SHORTEST_NS) {
            throw new IllegalArgumentException(option + " must be at least 1ms, not " + Units.formatDuration(ns));
        }
    }

    private abstract static class Parsed<T> implements ITypeConverter<T> {
        /** @throws IllegalArgumentException with the line to tell */
        abstract T parse(String text);

        @Override
        public final T convert(String text) {
            try {
                return parse(text);
            } catch (IllegalArgumentException e) {
                throw new TypeConversionException(e.getMessage());
            }
        }
    }

    private static <T> T oneOf(T[] known, Function<T, String> key, String text) {
        return Stream.of(known).filter(each -> key.apply(each).equals(text)).findFirst().orElseThrow(
                () -> new IllegalArgumentException("'" + text + "' is not one of "
                        + Stream.of(known).map(key).collect(Collectors.joining(", "))));
    }

    /** "50ms" as nanoseconds. */
    static final class Duration extends Parsed<Long> {
        @Override
        Long parse(String text) {
            return Units.parseDurationNs(text);
        }
    }

    /**
     * The time between two captures.
     *
     * @param ns the first one, if it adapts
     * @param overhead the share of the time to which it adapts; 0 if it is fixed
     */
    record Interval(long ns, double overhead) {
    }

    /** "50ms" as a fixed interval, "auto:2%" as one that adapts. */
    static final class IntervalText extends Parsed<Interval> {
        private static final Pattern AUTO = Pattern.compile("auto:([0-9]+(?:\\.[0-9]+)?)%");
        private static final double LEAST_PERCENT = 0.1;
        private static final double MOST_PERCENT = 50;

        @Override
        Interval parse(String text) {
            if (!text.startsWith("auto")) {
                return new Interval(Units.parseDurationNs(text), 0);
            }
            Matcher matcher = AUTO.matcher(text);
            if (!matcher.matches()) {
                throw new IllegalArgumentException(
                        "\"" + text + "\" is not an interval: expected a time such as 50ms, or auto:PERCENT%, such as "
                        + "auto:2%");
            }
            double percent = Double.parseDouble(matcher.group(1));
            if (percent < LEAST_PERCENT || percent > MOST_PERCENT) {
                throw new IllegalArgumentException(
                        "\"" + text + "\" is not an interval: captures can cost 0.1% to 50% of the time");
            }
            return new Interval(Backstep.Context.INTERVAL_NS_DEFAULT, percent / 100);
        }
    }

    /** "512M" as bytes. */
    static final class Bytes extends Parsed<Long> {
        @Override
        Long parse(String text) {
            return Units.parseBytes(text);
        }
    }

    /** "parity" as a redundancy. */
    static final class Repairing extends Parsed<Redundancy> {
        @Override
        Redundancy parse(String text) {
            return oneOf(Redundancy.values(), Redundancy::key, text);
        }
    }

    /** "3" or "2s" as a retention. */
    static final class Keeping extends Parsed<Retention> {
        @Override
        Retention parse(String text) {
            if (!text.matches("-?\\d+")) {
                return new KeepSpan(Units.parseDurationNs(text));
            }
            try {
                return new KeepLast(Integer.parseInt(text));
            } catch (NumberFormatException e) {
                throw new IllegalArgumentException("'" + text + "' is too large a number", e);
            }
        }
    }

    /** "exp:mean=20ms" as an error latency. */
    static final class Latency extends Parsed<ErrorLatency> {
        @Override
        ErrorLatency parse(String text) {
            return ErrorLatency.parse(text);
        }
    }

    /** "cow" as a discipline. */
    static final class Capturing extends Parsed<Discipline> {
        @Override
        Discipline parse(String text) {
            return oneOf(Discipline.values(), Discipline::key, text);
        }
    }

    /** "cost" as a predictor. */
    static final class Predictor extends Parsed<Prediction> {
        @Override
        Prediction parse(String text) {
            return oneOf(Prediction.values(), Prediction::key, text);
        }
    }

    /** "raw" as an image's format. */
    static final class Format extends Parsed<ImageFormat> {
        @Override
        ImageFormat parse(String text) {
            return oneOf(ImageFormat.values(), format -> format.name().toLowerCase(Locale.ROOT), text);
        }
    }

    /** "panic" as a detector of machines. */
    static final class MachineDetector extends Parsed<Detector> {
        @Override
        Detector parse(String text) {
            return oneOf(Detector.values(), Detector::key, text);
        }
    }

    /** "register@1s,seed=7" as a fault to be. */
    static final class Spec extends Parsed<FaultSpec> {
        @Override
        FaultSpec parse(String text) {
            return FaultSpec.parse(text);
        }
    }
}
