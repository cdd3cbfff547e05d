// SPDX-License-Identifier: Apache-2.0
package io.backstep.inject;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.backstep.core.Fault;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class FaultSpecTest {
    private static final long MS = 1_000_000;

    @Test
    void shouldReadAllParts() {
        FaultSpec spec = FaultSpec.parse("memory:heap@1s..3s,seed=7,bits=2");

        assertEquals(new FaultSpec("memory", "heap", 1000 * MS, 3000 * MS, 7, 2, Fault.UNNOTICED), spec);
    }

    @Test
    void shouldInvertOneBitOfAnyPlaceUnlessToldOtherwise() {
        FaultSpec spec = FaultSpec.parse("register@250us,seed=-1");

        assertEquals(new FaultSpec("register", "any", MS / 4, MS / 4, -1, 1, Fault.UNNOTICED), spec);
    }

    @Test
    void shouldTakeASeedFromTheSupplierWhenNoneIsGiven() {
        assertEquals("register@1s,seed=42", FaultSpec.parse("register@1s", () -> 42).toString());
    }

    @Test
    void shouldShowARandomSeedThatRepeatsTheFault() {
        FaultSpec spec = FaultSpec.parse("memory@1s..9s");

        FaultSpec again = FaultSpec.parse(spec.toString());

        assertEquals(spec, again);
        assertEquals(spec.dueNs(), again.dueNs());
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', value = {
        "register@1s,seed=1 | register@1s,seed=1",
        "mce@1s,seed=1 | mce@1s,seed=1",
        "memory:virt=0xffffffff81000000@1s,seed=1 | memory:virt=0xffffffff81000000@1s,seed=1",
        "register:any@1000ms,seed=1 | register@1s,seed=1",
        "register:rip@800ms,bits=1,seed=3 | register:rip@800ms,seed=3",
        "memory:any@1.50s,seed=3 | memory@1.5s,seed=3",
        "memory:stack@1s..1s,seed=3 | memory:stack@1s,seed=3",
        "memory:data@0.5s..3s,bits=64,seed=-3 | memory:data@500ms..3s,seed=-3,bits=64"
    })
    void shouldHaveACanonicalText(String text, String canonical) {
        FaultSpec spec = FaultSpec.parse(text);

        assertEquals(canonical, spec.toString());
        assertEquals(spec, FaultSpec.parse(canonical));
    }

    @Test
    void shouldChooseATimeOfTheRangeFromTheSeed() {
        boolean early = false;
        boolean late = false;
        for (int seed = 0; seed < 100; seed++) {
            long dueNs = FaultSpec.parse("register@1s..3s,seed=" + seed).dueNs();
            assertTrue(dueNs >= 1000 * MS && dueNs <= 3000 * MS, "seed " + seed + " gave " + dueNs);
            early |= dueNs < 1500 * MS;
            late |= dueNs > 2500 * MS;
        }
        assertTrue(early && late);
    }

    @ParameterizedTest
    @CsvSource(delimiter = ';', value = {
        "register ; no @TIME in it, expected register[:NAME]@TIME, memory[:AREA]@TIME or mce@TIME, then ,seed=N or "
                + ",bits=K or ,noticed=TIME, such as register:rip@800ms,seed=7",
        "registers@1s ; model \"registers\" is none of register, memory, mce",
        "@1s ; model \"\" is none of register, memory, mce",
        "memory:@1s ; \"\" is no name of a memory area",
        "register:@1s ; \"\" is no name of a register",
        "register:rip bit@1s ; \"rip bit\" is no name of a register",
        "register@soon ; \"soon\" is not a time: expected a number and ns, us, ms, s, m or h, such as 50ms",
        "register@1s.. ; \"\" is not a time: expected a number and ns, us, ms, s, m or h, such as 50ms",
        "register@3s..1s ; times must ascend, but they are 3s..1s",
        "mce:rip@1s ; a machine check has neither a place nor bits to choose",
        "mce@1s,bits=2 ; a machine check has neither a place nor bits to choose",
        "register@1s,bits=65 ; bits=65 is not in 1..64",
        "register@1s,bits=0 ; bits=0 is not in 1..64",
        "register@1s,bits=two ; \"bits=two\" is not a whole number of 64 bits",
        "register@1s,seed=99999999999999999999 ; \"seed=99999999999999999999\" is not a whole number of 64 bits"
    })
    void shouldSayWhatIsWrong(String text, String message) {
        IllegalArgumentException e = assertThrows(IllegalArgumentException.class, () -> FaultSpec.parse(text));

        assertEquals("\"" + text + "\" is not a fault: " + message, e.getMessage());
    }

    @ParameterizedTest
    @ValueSource(strings = {"register@1s,", "register@1s,seed=1,seed=2", "register@1s,count=2", "register@1s,,bits=1"})
    void shouldRejectOptionsThatItDoesNotKnow(String text) {
        IllegalArgumentException e = assertThrows(IllegalArgumentException.class, () -> FaultSpec.parse(text));

        assertTrue(e.getMessage().contains("was not expected, but register[:NAME]@TIME"), e.getMessage());
        assertFalse(e.getMessage().contains("\n"));
    }

    @ParameterizedTest
    @CsvSource(delimiter = ';', value = {
        "register:ripp@1s ; there is no register ripp, only rip, rsp",
        "memory:haep@1s ; there is no memory area haep, only heap, stack, virt=ADDRESS",
        "memory:virt=much@1s ; there is no memory area virt=much, only heap, stack, virt=ADDRESS",
        "memory:phys=0x1000@1s ; there is no memory area phys=0x1000, only heap, stack, virt=ADDRESS",
        "'mce@1s,seed=4' ; 'only a virtual machine takes machine checks: mce@1s,seed=4'"
    })
    void shouldRefuseAPlaceThatATargetDoesNotHave(String text, String message) {
        FaultSpec spec = FaultSpec.parse(text);

        IllegalArgumentException e = assertThrows(IllegalArgumentException.class, () -> new FaultPlaces(
                List.of("rip", "rsp"), List.of("heap", "stack"), List.of("virt"), false).require(spec));

        assertEquals(message, e.getMessage());
    }

    @ParameterizedTest
    @ValueSource(strings = {"register@1s", "memory@1s", "register:rip@1s", "memory:order book@1s", "mce@1s",
        "memory:phys=4096@1s", "memory:phys=0xfffffffffffffff8@1s"})
    void shouldAcceptAPlaceThatATargetHas(String text) {
        new FaultPlaces(List.of("rip"), List.of("order book"), List.of("phys"), true).require(FaultSpec.parse(text));
    }

    @Test
    void shouldReadWhenTheFaultIsNoticed() {
        FaultSpec spec = FaultSpec.parse("memory:heap@1s,seed=7,noticed=20ms");

        assertEquals(20 * MS, spec.noticedNs());
        assertEquals("memory:heap@1s,seed=7,noticed=20ms", spec.toString());
    }
}
