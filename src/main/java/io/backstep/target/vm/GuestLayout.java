// SPDX-License-Identifier: Apache-2.0
package io.backstep.target.vm;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalLong;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

import io.backstep.core.BackstepException;
import io.backstep.core.BackstepException.Reason;
import io.backstep.core.Pages;

/**
 * Where a machine's memory lies: in QEMU's process, and in the address space that its processors see. Found by asking
 * QEMU, which knows it for every kind of machine: the flat view of the address space names a block and an offset for each
 * range, and one translated address of a block tells where all of it is.
 *
 * @param blocks ascending by host address
 * @param ranges ascending by guest-physical address
 * @param unplaced names of blocks that no processor sees now, so that nobody tells where they are
 */
record GuestLayout(List<RamBlock> blocks, List<Range> ranges, List<String> unplaced) {
    private static final Pattern RANGE = Pattern.compile(
            "\\s*([0-9a-f]{16})-([0-9a-f]{16}) \\(prio -?\\d+, (ram|rom|romd|ramd|nv-ram)\\): (.*?)(?: @([0-9a-f]{16}))?"
            + "(?: KVM)?");
    private static final Pattern BLOCK = Pattern.compile(
            "\\s*(\\S.*?)\\s+\\d+ [KMGT]iB\\s+0x[0-9a-f]+\\s+(0x[0-9a-f]+)\\s+(0x[0-9a-f]+)(?:\\s+(0x[0-9a-f]+).*)?");
    private static final Pattern HOST = Pattern.compile("Host virtual address for \\S+ \\((.*)\\) is (0x[0-9a-f]+)");
    private static final String SYSTEM_VIEW = "AS \"memory\"";

    /**
     * What processors see at a range of guest-physical addresses.
     *
     * @param kind "ram", "rom" or the like
     */
    record Range(long guestAddress, long lengthBytes, RamBlock block, long offset, String kind) {
        long guestEnd() {
            return guestAddress + lengthBytes;
        }

        long hostAddress() {
            return block.hostAddress() + offset;
        }
    }

    private record Seen(long guestAddress, long lengthBytes, String block, long offset, String kind) {
    }

    /** Asks a monitor. */
    static GuestLayout of(Monitor monitor) {
        List<Seen> seen = systemView(monitor.executeForPeople("info mtree -f"));
        Map<String, RamBlock> placed = new LinkedHashMap<>();
        List<String> unplaced = new ArrayList<>();
        for (String line : monitor.executeForPeople("info ramblock").lines().toList()) {
            Matcher match = BLOCK.matcher(line);
            if (match.matches()) {
                place(monitor, match, seen, placed, unplaced);
            }
        }
        List<Range> ranges = new ArrayList<>();
        for (Seen range : seen) {
            RamBlock block = placed.get(range.block);
            if (block == null) {
                throw new BackstepException(Reason.UNFIT, "QEMU does not list the memory '" + range.block
                        + "' that its machine has at 0x" + Long.toHexString(range.guestAddress));
            }
            ranges.add(new Range(range.guestAddress, range.lengthBytes, block, range.offset, range.kind));
        }
        if (ranges.isEmpty()) {
            throw new BackstepException(Reason.UNFIT, "QEMU tells of no memory of its machine ('info mtree -f')");
        }
        List<RamBlock> blocks = placed.values().stream()
                .sorted(Comparator.comparingLong(RamBlock::hostAddress)).toList();
        return new GuestLayout(blocks, List.copyOf(ranges), List.copyOf(unplaced));
    }

    /** The ranges of the view that bears the name of the whole machine's address space. */
    private static List<Seen> systemView(String text) {
        List<Seen> ranges = new ArrayList<>();
        boolean inside = false;
        for (String line : text.lines().toList()) {
            if (line.startsWith("FlatView #")) {
                inside = false;
            } else if (line.trim().startsWith(SYSTEM_VIEW)) {
                inside = true;
            }
            Matcher match = RANGE.matcher(line);
            if (inside && match.matches()) {
                long first = Long.parseUnsignedLong(match.group(1), 16);
                long last = Long.parseUnsignedLong(match.group(2), 16);
                long offset = match.group(5) == null ? 0 : Long.parseUnsignedLong(match.group(5), 16);
                ranges.add(new Seen(first, last - first + 1, match.group(4), offset, match.group(3)));
            }
        }
        return ranges;
    }

    /** The name that processors' view has for a block lacks the device that it belongs to. */
    private static void place(
            Monitor monitor, Matcher line, List<Seen> seen, Map<String, RamBlock> placed, List<String> unplaced) {
        String name = line.group(1);
        String shortName = name.startsWith("/") ? name : name.substring(name.lastIndexOf('/') + 1);
        long length = Pages.toAddress(Pages.ofAddress(Long.decode(line.group(2)) + Pages.PAGE_SIZE - 1));
        Seen range = seen.stream().filter(one -> one.block.equals(name) || one.block.equals(shortName))
                .findFirst().orElse(null);
        OptionalLong host = line.group(4) != null ? OptionalLong.of(Long.decode(line.group(4)))
                : range == null ? OptionalLong.empty() : hostOf(monitor, range);
        if (host.isEmpty() || Pages.toAddress(Pages.ofAddress(host.getAsLong())) != host.getAsLong()) {
            unplaced.add(name);
        } else if (placed.put(range == null ? name : range.block, new RamBlock(name, host.getAsLong(), length)) != null) {
            throw new BackstepException(Reason.UNFIT, "two pieces of the machine's memory are named " + shortName);
        }
    }

    private static OptionalLong hostOf(Monitor monitor, Seen range) {
        Matcher match = HOST.matcher(
                monitor.executeForPeople("gpa2hva 0x" + Long.toHexString(range.guestAddress)).trim());
        return match.matches() ? OptionalLong.of(Long.decode(match.group(2)) - range.offset) : OptionalLong.empty();
    }
}
