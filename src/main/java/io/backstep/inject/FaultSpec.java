// SPDX-License-Identifier: Apache-2.0
package io.backstep.inject;

import io.backstep.core.Fault;
import io.backstep.core.Units;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.ThreadLocalRandom;
import java.util.function.LongSupplier;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * One fault to inject, as a person asks for it: {@code register@1s}, {@code register:rip@800ms,seed=7},
 * {@code memory:heap@1s..3s,bits=2}, {@code memory:phys=0x1234000@1s}, {@code mce@1s}. What it leaves open is chosen from its seed. The choice of the place does not
 * depend on how the time was given, so a fault that fell at 1.7s out of {@code 1s..3s} is repeated by {@code 1.7s} and
 * the same seed.
 *
 * @param model {@link #REGISTER}, {@link #MEMORY} or {@link #MACHINE_CHECK}
 * @param place the name of a register or a memory area (of regions: a region's name), an address space and an address
 *     in it, or {@link #ANY}
 * @param fromNs the earliest time, in nanoseconds after the protection began
 * @param toNs the latest time, the same as the earliest if it is fixed
 * @param bits how many bits of one 64-bit word or register are inverted
 * @param noticedNs after which a detector speaks that knows of the fault, or {@link Fault#UNNOTICED}
 */
public record FaultSpec(String model, String place, long fromNs, long toNs, long seed, int bits, long noticedNs) {
    public static final String REGISTER = "register";
    public static final String MEMORY = "memory";
    /** A processor is told by its hardware that memory is lost. */
    public static final String MACHINE_CHECK = "mce";
    public static final String ANY = "any";

    private static final Pattern REGISTER_NAME = Pattern.compile("[a-z][a-z0-9_]*");
    private static final Pattern ADDRESS = Pattern.compile("(phys|virt)=(0x[0-9a-fA-F]{1,16}|[0-9]{1,18})");
    private static final String FORM = "register[:NAME]@TIME, memory[:AREA]@TIME or mce@TIME, "
            + "then ,seed=N or ,bits=K or ,noticed=TIME, such as register:rip@800ms,seed=7";

    public FaultSpec {
        if (!List.of(REGISTER, MEMORY, MACHINE_CHECK).contains(model)) {
            throw new IllegalArgumentException("model \"" + model + "\" is none of register, memory, mce");
        }
        if (model.equals(MEMORY) && (place.isEmpty() || place.indexOf('@') >= 0)) {
            throw new IllegalArgumentException("\"" + place + "\" is no name of a memory area");
        }
        if (model.equals(REGISTER) && !REGISTER_NAME.matcher(place).matches()) {
            throw new IllegalArgumentException("\"" + place + "\" is no name of a register");
        }
        if (model.equals(MACHINE_CHECK) && (!place.equals(ANY) || bits != 1)) {
            throw new IllegalArgumentException("a machine check has neither a place nor bits to choose");
        }
        if (fromNs < 0 || toNs < fromNs) {
            throw new IllegalArgumentException("times must ascend, but they are "
                    + Units.formatDuration(fromNs) + ".." + Units.formatDuration(toNs));
        }
        if (bits < 1 || bits > Long.SIZE) {
            throw new IllegalArgumentException("bits=" + bits + " is not in 1..64");
        }
    }

    /**
     * Reads a fault; without a seed it gets a random one, which {@link #toString()} shows.
     *
     * @throws IllegalArgumentException one line that quotes the text and says what was expected.
     */
    public static FaultSpec parse(String text) {
        return parse(text, () -> ThreadLocalRandom.current().nextInt(Integer.MAX_VALUE));
    }

    /** Reads a fault; without a seed it gets the supplier's next. */
    public static FaultSpec parse(String text, LongSupplier seeds) {
        try {
            return read(text, seeds);
        } catch (IllegalArgumentException e) {
            throw new IllegalArgumentException("\"" + text + "\" is not a fault: " + e.getMessage(), e);
        }
    }

    /** The address space in which the place is named by its address, or null: it is an area, or a register. */
    public String space() {
        Matcher match = ADDRESS.matcher(place);
        return match.matches() ? match.group(1) : null;
    }

    /** The address in {@link #space()}. */
    long address() {
        Matcher match = ADDRESS.matcher(place);
        if (!match.matches()) {
            throw new IllegalStateException(place + " is no address");
        }
        String number = match.group(2);
        return number.startsWith("0x") ? Long.parseUnsignedLong(number, 2, number.length(), 16)
                : Long.parseLong(number);
    }

    /** When the fault is due, in nanoseconds after the protection began; of a range, chosen from the seed. */
    public long dueNs() {
        return fromNs == toNs ? fromNs : new SplittableRandom(seed).split().nextLong(fromNs, toNs);
    }

    /** A new generator for the choice of the place; each starts the same. */
    SplittableRandom placeRandom() {
        return new SplittableRandom(seed);
    }

    /** The canonical text, from which {@link #parse} reads the same fault. */
    @Override
    public String toString() {
        return model + (place.equals(ANY) ? "" : ":" + place)
                + "@" + Units.formatDuration(fromNs) + (toNs == fromNs ? "" : ".." + Units.formatDuration(toNs))
                + ",seed=" + seed + (bits == 1 ? "" : ",bits=" + bits)
                + (noticedNs == Fault.UNNOTICED ? "" : ",noticed=" + Units.formatDuration(noticedNs));
    }

    private static FaultSpec read(String text, LongSupplier seeds) {
        int at = text.indexOf('@');
        if (at < 0) {
            throw new IllegalArgumentException("no @TIME in it, expected " + FORM);
        }
        String[] what = text.substring(0, at).split(":", 2);
        String[] rest = text.substring(at + 1).split(",", -1);
        String[] times = rest[0].split("\\.\\.", 2);

        Long seed = null;
        Integer bits = null;
        Long noticedNs = null;
        for (int i = 1; i < rest.length; i++) {
            if (rest[i].startsWith("seed=") && seed == null) {
                seed = number(rest[i]);
            } else if (rest[i].startsWith("bits=") && bits == null) {
                bits = (int) Math.max(0, Math.min(number(rest[i]), Long.SIZE + 1));
            } else if (rest[i].startsWith("noticed=") && noticedNs == null) {
                noticedNs = Units.parseDurationNs(rest[i].substring("noticed=".length()));
            } else {
                throw new IllegalArgumentException("\"" + rest[i] + "\" was not expected, but " + FORM);
            }
        }
        long fromNs = Units.parseDurationNs(times[0]);
        long toNs = times.length == 1 ? fromNs : Units.parseDurationNs(times[1]);
        return new FaultSpec(what[0], what.length == 1 ? ANY : what[1], fromNs, toNs,
                seed == null ? seeds.getAsLong() : seed, bits == null ? 1 : bits,
                noticedNs == null ? Fault.UNNOTICED : noticedNs);
    }

    private static long number(String option) {
        try {
            return Long.parseLong(option.substring(option.indexOf('=') + 1));
        } catch (NumberFormatException e) {
            throw new IllegalArgumentException("\"" + option + "\" is not a whole number of 64 bits", e);
        }
    }
}
