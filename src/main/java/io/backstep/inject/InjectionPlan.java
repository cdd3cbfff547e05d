// SPDX-License-Identifier: Apache-2.0
package io.backstep.inject;

import io.backstep.core.BackstepException;
import io.backstep.core.BackstepException.Reason;
import io.backstep.core.Fault;
import io.backstep.core.FaultPlan;
import io.backstep.core.FaultSurface;
import io.backstep.core.PageRanges;
import io.backstep.core.Pages;
import java.util.Comparator;
import java.util.List;
import java.util.SplittableRandom;
import java.util.StringJoiner;

/**
 * Faults in the order of their time. Each chooses its place from its own seed: the same fault on the same surface
 * strikes the same bits, whatever else is planned. Not thread-safe.
 */
public final class InjectionPlan implements FaultPlan {
    private static final int WORDS_PER_PAGE = Pages.PAGE_SIZE / Long.BYTES;

    private final List<FaultSpec> specs;
    private final long[] dueNs;
    private int next;

    public InjectionPlan(List<FaultSpec> specs) {
        this.specs = specs.stream().sorted(Comparator.comparingLong(FaultSpec::dueNs)).toList();
        dueNs = this.specs.stream().mapToLong(FaultSpec::dueNs).toArray();
    }

    /** The faults by the time when they are due. */
    public List<FaultSpec> specs() {
        return specs;
    }

    @Override
    public long nextAfterStartNs() {
        return next == dueNs.length ? Long.MAX_VALUE : dueNs[next];
    }

    /**
     * {@inheritDoc}
     *
     * @throws BackstepException FAILED: there is no such place in the target now; nothing was touched.
     */
    @Override
    public Fault strike(FaultSurface surface, long nowNs) {
        if (next == dueNs.length) {
            throw new IllegalStateException("no fault is planned");
        }
        FaultSpec spec = specs.get(next++);
        String lack = lack(spec, surface);
        if (lack != null) {
            throw failed(spec, lack);
        }
        String where = switch (spec.model()) {
            case FaultSpec.REGISTER -> strikeRegister(spec, surface);
            case FaultSpec.MEMORY -> strikeMemory(spec, surface);
            default -> strikeProcessor(spec, surface);
        };
        return new Fault(nowNs, spec.model(), where, spec.seed(), spec.noticedNs());
    }

    private static String strikeRegister(FaultSpec spec, FaultSurface surface) {
        SplittableRandom random = spec.placeRandom();
        int thread = thread(spec, surface, random);
        List<String> registers = surface.registers();
        String register = spec.place().equals(FaultSpec.ANY)
                ? registers.get(random.nextInt(registers.size())) : spec.place();
        long mask = mask(random, spec.bits());
        surface.flipRegister(thread, register, mask);
        return surface.threadKind() + " " + thread + " " + register + " " + bitsText(mask);
    }

    private static int thread(FaultSpec spec, FaultSurface surface, SplittableRandom random) {
        int count = surface.threadCount();
        if (count == 0) {
            throw failed(spec, "the target has no " + surface.threadKind());
        }
        return random.nextInt(count);
    }

    private static String strikeMemory(FaultSpec spec, FaultSurface surface) {
        SplittableRandom random = spec.placeRandom();
        boolean isNamed = spec.space() != null;
        long address = isNamed ? surface.addressOf(spec.space(), spec.address()) : randomAddress(spec, surface, random);
        long mask = mask(random, spec.bits());
        surface.flipMemory(address, mask);
        String area = spec.place().equals(FaultSpec.ANY) ? "" : spec.place() + " ";
        String where = surface.where(address);
        return (area.trim().equals(where) ? "" : area) + where + " " + bitsText(mask);
    }

    private static String strikeProcessor(FaultSpec spec, FaultSurface surface) {
        SplittableRandom random = spec.placeRandom();
        int thread = thread(spec, surface, random);
        long address = randomAddress(spec, surface, random);
        surface.machineCheck(thread, address);
        return surface.threadKind() + " " + thread + " " + surface.where(address);
    }

    private static long randomAddress(FaultSpec spec, FaultSurface surface, SplittableRandom random) {
        try (PageRanges pages = new PageRanges()) {
            surface.pagesOf(spec.place(), pages);
            if (pages.isEmpty()) {
                String area = spec.place().equals(FaultSpec.ANY) ? "" : spec.place() + " ";
                throw failed(spec, "the target has no " + area + "pages of its own now");
            }
            long page = pages.page(random.nextLong(pages.pageCount()));
            return Pages.toAddress(page) + (long) random.nextInt(WORDS_PER_PAGE) * Long.BYTES;
        }
    }

    /** What a surface never has of what a fault needs, or null. */
    private static String lack(FaultSpec spec, FaultSurface surface) {
        boolean ofRegister = spec.model().equals(FaultSpec.REGISTER);
        List<String> places = ofRegister ? surface.registers() : surface.areas();
        String kind = ofRegister ? "register" : "memory area";
        if (places.isEmpty()) {
            return "the target has no " + kind + " that can be reached";
        }
        if (spec.place().equals(FaultSpec.ANY) || places.contains(spec.place())
                || spec.space() != null && surface.addressSpaces().contains(spec.space())) {
            return null;
        }
        return "the target has no " + kind + " " + spec.place() + ", only " + String.join(", ", places);
    }

    private static long mask(SplittableRandom random, int bits) {
        long mask = 0;
        while (Long.bitCount(mask) < bits) {
            mask |= 1L << random.nextInt(Long.SIZE);
        }
        return mask;
    }

    private static String bitsText(long mask) {
        StringJoiner text = new StringJoiner(",", Long.bitCount(mask) == 1 ? "bit " : "bits ", "");
        for (long rest = mask; rest != 0; rest &= rest - 1) {
            text.add(Integer.toString(Long.numberOfTrailingZeros(rest)));
        }
        return text.toString();
    }

    private static BackstepException failed(FaultSpec spec, String why) {
        return new BackstepException(Reason.FAILED, "cannot inject " + spec + ": " + why);
    }
}
