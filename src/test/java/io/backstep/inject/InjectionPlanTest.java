// SPDX-License-Identifier: Apache-2.0
package io.backstep.inject;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.backstep.core.BackstepException;
import io.backstep.core.Fault;
import io.backstep.core.FaultSurface;
import io.backstep.core.PageRanges;
import io.backstep.core.Pages;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

class InjectionPlanTest {
    private final RecordingSurface surface = new RecordingSurface();

    @Test
    void shouldNeverBeDueWhenNothingIsPlanned() {
        InjectionPlan plan = plan();

        assertEquals(Long.MAX_VALUE, plan.nextAfterStartNs());
        assertThrows(IllegalStateException.class, () -> plan.strike(surface, 0));
    }

    @Test
    void shouldStrikeInTheOrderOfTime() {
        InjectionPlan plan = plan("register:rax@2s,seed=1", "memory:stack@1ms,seed=2", "register:rip@1s,seed=3");

        assertEquals(1_000_000, plan.nextAfterStartNs());
        assertEquals("memory", plan.strike(surface, 0).model());
        assertEquals(1_000_000_000, plan.nextAfterStartNs());
        assertTrue(plan.strike(surface, 0).where().contains("rip"));
        assertEquals(2_000_000_000, plan.nextAfterStartNs());
        assertTrue(plan.strike(surface, 0).where().contains("rax"));
        assertEquals(Long.MAX_VALUE, plan.nextAfterStartNs());
    }

    /** The seeds of old reports must repeat their faults: these texts never change. */
    @Test
    void shouldRepeatTheFaultsOfKnownSeeds() {
        assertEquals(new Fault(5, "register", "thread 1 rip bit 2", 7, Fault.UNNOTICED), strike("register:rip@1s,seed=7", 5));
        assertEquals(new Fault(5, "register", "thread 1 rax bit 59", 7, Fault.UNNOTICED), strike("register@1s,seed=7", 5));
        assertEquals(new Fault(5, "memory", "heap 0x201810 bits 51,59", 7, Fault.UNNOTICED), strike("memory:heap@1s,seed=7,bits=2", 5));
        assertEquals(new Fault(5, "memory", "0x101810 bit 59", 7, Fault.UNNOTICED), strike("memory@1s,seed=7", 5));
        assertEquals(1_470_346_423, FaultSpec.parse("register@1s..3s,seed=7").dueNs());
    }

    @Test
    void shouldChooseTheSameForTheSameSeedWhateverElseIsPlanned() {
        InjectionPlan alone = plan("memory@2s,seed=9");
        InjectionPlan amongOthers = plan("register@1s,seed=1", "memory@1.9s..2.1s,seed=9", "memory@1ms,seed=5");
        amongOthers.strike(surface, 0);
        amongOthers.strike(surface, 0);

        assertEquals(alone.strike(surface, 3), amongOthers.strike(surface, 3));
    }

    @Test
    void shouldDoWhatItTells() {
        Fault fault = strike("register@1s,seed=11,bits=3", 0);

        RecordingSurface.Flip flip = surface.flips.get(0);
        assertEquals(1, surface.flips.size());
        assertEquals(3, Long.bitCount(flip.mask()));
        assertEquals("thread " + flip.thread() + " " + flip.register() + " bits " + bits(flip.mask()), fault.where());
    }

    @Test
    void shouldReachEveryThreadRegisterAndBit() {
        Set<Object> threads = new HashSet<>();
        Set<Object> registers = new HashSet<>();
        long bits = 0;
        for (int seed = 0; seed < 2000; seed++) {
            strike("register@1s,seed=" + seed, 0);
        }
        for (RecordingSurface.Flip flip : surface.flips) {
            threads.add(flip.thread());
            registers.add(flip.register());
            bits |= flip.mask();
        }

        assertEquals(Set.of(0, 1, 2), threads);
        assertEquals(Set.copyOf(surface.registers), registers);
        assertEquals(-1, bits);
    }

    @Test
    void shouldReachEveryPageOfTheAreaAndNoOther() {
        Set<Long> pages = new HashSet<>();
        for (int seed = 0; seed < 500; seed++) {
            strike("memory:heap@1s,seed=" + seed, 0);
        }
        for (RecordingSurface.Flip flip : surface.flips) {
            assertEquals(0, flip.address() % Long.BYTES);
            pages.add(Pages.ofAddress(flip.address()));
        }

        assertEquals(Set.of(0x100L, 0x101L, 0x200L, 0x201L, 0x202L), pages);
    }

    @Test
    void shouldInvertAllBitsWhenAskedTo() {
        strike("memory@1s,bits=64", 0);

        assertEquals(-1, surface.flips.get(0).mask());
    }

    @Test
    void shouldStrikeTheWordAtANamedAddress() {
        surface.inSpaces = true;

        Fault physical = strike("memory:phys=0x1003@1s,seed=7", 0);
        Fault aligned = strike("memory:phys=0x1000@1s,seed=7", 0);
        Fault virtual = strike("memory:virt=0xffff000000002000@1s,seed=7", 0);

        long bit = Long.numberOfTrailingZeros(surface.flips.get(0).mask());
        assertEquals("phys=0x1003 phys=0x1000 bit " + bit, physical.where());
        assertEquals("phys=0x1000 bit " + bit, aligned.where());
        assertEquals("virt=0xffff000000002000 phys=0x2000 bit " + bit, virtual.where());
        assertEquals(List.of(0x1000L, 0x1000L, 0x2000L),
                surface.flips.stream().map(RecordingSurface.Flip::address).toList());
    }

    @Test
    void shouldTellAThreadThatAPageIsLost() {
        Fault fault = strike("mce@1s,seed=7", 0);

        RecordingSurface.Flip check = surface.flips.get(0);
        assertEquals("mce", fault.model());
        assertEquals("thread " + check.thread() + " 0x" + Long.toHexString(check.address()), fault.where());
    }

    @Test
    void shouldMoveOnWhenAnAreaHasNoPages() {
        InjectionPlan plan = plan("memory:data@1s,seed=4", "register@2s,seed=5");

        BackstepException e = assertThrows(BackstepException.class, () -> plan.strike(surface, 0));

        assertEquals(BackstepException.Reason.FAILED, e.reason());
        assertEquals("cannot inject memory:data@1s,seed=4: the target has no data pages of its own now",
                e.getMessage());
        assertEquals(2_000_000_000, plan.nextAfterStartNs());
        assertEquals("register", plan.strike(surface, 0).model());
    }

    @Test
    void shouldMoveOnWhenTheTargetRefuses() {
        InjectionPlan plan = plan("memory@1s,seed=4", "register@2s,seed=5");
        BackstepException refusal = new BackstepException(BackstepException.Reason.GONE, "the target has ended");
        RecordingSurface gone = new RecordingSurface();

        BackstepException e = assertThrows(BackstepException.class, () -> plan.strike(new Refusing(gone, refusal), 0));

        assertEquals(refusal, e);
        assertEquals(2_000_000_000, plan.nextAfterStartNs());
    }

    @Test
    void shouldFailWhenThereIsNoThread() {
        surface.threads = 0;

        BackstepException e = assertThrows(BackstepException.class, () -> strike("register@1s,seed=4", 0));

        assertEquals("cannot inject register@1s,seed=4: the target has no thread", e.getMessage());
    }

    private Fault strike(String text, long nowNs) {
        return plan(text).strike(surface, nowNs);
    }

    private static InjectionPlan plan(String... texts) {
        return new InjectionPlan(Stream.of(texts).map(FaultSpec::parse).toList());
    }

    private static String bits(long mask) {
        StringBuilder text = new StringBuilder();
        for (int i = 0; i < Long.SIZE; i++) {
            if ((mask >>> i & 1) == 1) {
                text.append(text.isEmpty() ? "" : ",").append(i);
            }
        }
        return text.toString();
    }

    /** Fails whatever is flipped. */
    private record Refusing(RecordingSurface surface, BackstepException refusal) implements FaultSurface {
        @Override
        public int threadCount() {
            return surface.threadCount();
        }

        @Override
        public List<String> registers() {
            return surface.registers();
        }

        @Override
        public void flipRegister(int thread, String register, long mask) {
            throw refusal;
        }

        @Override
        public List<String> areas() {
            return surface.areas();
        }

        @Override
        public void pagesOf(String area, PageRanges into) {
            surface.pagesOf(area, into);
        }

        @Override
        public void flipMemory(long address, long mask) {
            throw refusal;
        }
    }
}
