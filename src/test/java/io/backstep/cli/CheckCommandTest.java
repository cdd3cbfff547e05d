// SPDX-License-Identifier: Apache-2.0
package io.backstep.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.util.List;
import java.util.Map;

import io.backstep.sys.Facility;
import io.backstep.sys.Facility.State;
import io.backstep.sys.Host;
import org.junit.jupiter.api.Test;
import picocli.CommandLine;

class CheckCommandTest {
    private static final Facility SCAN =
            new Facility("PAGEMAP_SCAN", State.MISSING, "ENOTTY", true, "pages cannot be listed", "Linux 6.7");
    private static final Facility SWAP =
            new Facility("swap", State.LIMITED, "4.0 GiB", false, "pages are read back", "swapoff");
    private static final Facility QEMU =
            new Facility("QEMU", State.MISSING, "not found", false, "no \"VMs\"", "install it");
    private static final Facility KCMP = new Facility("kcmp", State.OK, "works", false, "longer pauses", "CONFIG_KCMP");

    private final StringWriter out = new StringWriter();

    @Test
    void shouldSayWhatIsMissingWhatItCostsAndWhatToDo() {
        int status = check(new Host(List.of(KCMP, SCAN, SWAP, QEMU)), false);

        assertEquals(ExitStatus.HOST_UNFIT, status);
        assertEquals("""
                ok       kcmp          works
                missing  PAGEMAP_SCAN  ENOTTY
                         cost: pages cannot be listed
                         remedy: Linux 6.7
                limited  swap          4.0 GiB
                         cost: pages are read back
                         remedy: swapoff
                missing  QEMU          not found (optional)
                         cost: no "VMs"
                         remedy: install it
                this host cannot protect processes: PAGEMAP_SCAN is missing
                """, out.toString());
    }

    @Test
    void shouldSucceedWhenOnlyOptionalFacilitiesAreMissing() {
        assertEquals(0, check(new Host(List.of(KCMP, SWAP, QEMU)), false));
    }

    @Test
    void shouldColourOnRequestOnly() {
        check(new Host(List.of(SCAN)), true);

        assertTrue(out.toString().startsWith("\u001b[31mmissing  \u001b[0mPAGEMAP_SCAN  ENOTTY\n"), out.toString());
    }

    @Test
    void shouldPrintJson() throws IOException {
        int status = check(new Host(List.of(KCMP, QEMU)), true, "--json");

        Map<String, Object> json = ControlProtocol.parseReply(out.toString());
        assertEquals(0, status);
        assertEquals(1, out.toString().lines().count());
        assertEquals(true, json.get("ok"));
        assertEquals("this host can protect processes", json.get("verdict"));
        assertEquals(List.of(
                Map.of("name", "kcmp", "ok", true, "state", "ok", "needed", false, "detail", "works",
                        "cost", "longer pauses", "remedy", "CONFIG_KCMP"),
                Map.of("name", "QEMU", "ok", false, "state", "missing", "needed", false, "detail", "not found",
                        "cost", "no \"VMs\"", "remedy", "install it")), json.get("facilities"));
    }

    @Test
    void shouldPrintJsonAlsoWhenTheHostIsUnfit() throws IOException {
        int status = check(new Host(List.of(SCAN)), false, "--json");

        assertEquals(ExitStatus.HOST_UNFIT, status);
        assertEquals(false, ControlProtocol.parseReply(out.toString()).get("ok"));
        assertFalse(out.toString().contains("\u001b"));
    }

    private int check(Host host, boolean colour, String... args) {
        return new CommandLine(new CheckCommand(() -> host, colour)).setOut(new PrintWriter(out)).execute(args);
    }
}
