// SPDX-License-Identifier: Apache-2.0
package io.backstep.target.vm;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

import io.backstep.core.BackstepException;
import io.backstep.core.BackstepException.Reason;

/**
 * What a machine sends, held until no kept checkpoint can take it back. QEMU's own filters hold it, four on the way from
 * each network device to the network:
 *
 * <pre>
 * device -> new (a buffer) -> drop-new -> old (a buffer) -> drop-old -> network
 * </pre>
 *
 * <p>A buffer gives what it has to the next filter when it is switched off; the two that drop are off, and so not in the
 * way, but in a rollback. Just before a capture all that is new becomes old, if nothing is old yet; it was sent before
 * that capture, and goes out as soon as no older one is kept. A rollback drops what is new, and what is old if the restored
 * capture is an older one: packets that were sent before it can be among them, and are lost as networks lose them.
 *
 * <p>Captures are known by numbers that ascend.
 */
final class HeldNetwork {
    private static final Pattern NETDEV = Pattern.compile(" \\\\ (\\S+): index=\\d+,type=(\\S+?)(?:,.*)?");
    private static final String NEW = "-new";
    private static final String DROP_NEW = "-drop-new";
    private static final String OLD = "-old";
    private static final String DROP_OLD = "-drop-old";
    private static final String SINK = "-sink"; // each its own: QEMU gives a character device to one only
    private static final long NEVER_US = 0xffff_ffffL;
    private static final long NOTHING = 0;

    private final Monitor monitor;
    private final List<String> netdevs;
    private boolean isSetUp;
    private long oldFrom = NOTHING;

    /** Changes nothing yet. */
    HeldNetwork(Monitor monitor, List<String> netdevs) {
        this.monitor = monitor;
        this.netdevs = List.copyOf(netdevs);
    }

    /** The names of what a machine's network devices are connected to. */
    static List<String> netdevs(Monitor monitor) {
        List<String> names = new ArrayList<>();
        for (String line : monitor.executeForPeople("info network").lines().toList()) {
            Matcher match = NETDEV.matcher(line.stripTrailing());
            if (match.matches()) {
                names.add(match.group(1));
            }
        }
        return names;
    }

    /**
     * Begins to hold.
     *
     * @throws BackstepException UNFIT: a network cannot be held; nothing is held
     */
    void setUp() {
        if (netdevs.isEmpty()) {
            return;
        }
        isSetUp = true;
        String current = "";
        try {
            for (String netdev : netdevs) { // the one that was added last comes first for what the machine sends
                current = netdev;
                addDrop(netdev, DROP_OLD);
                addBuffer(netdev, OLD);
                addDrop(netdev, DROP_NEW);
                addBuffer(netdev, NEW);
            }
        } catch (BackstepException e) {
            if (e.reason() == Reason.GONE) {
                throw e;
            }
            tearDown();
            throw new BackstepException(Reason.UNFIT, "what the guest sends to the network " + current
                    + " cannot be held back: " + e.getMessage() + "; --network pass lets it out at once", e);
        }
    }

    private void addBuffer(String netdev, String role) {
        monitor.execute("object-add", Map.of("qom-type", "filter-buffer", "id", id(netdev, role), "netdev", netdev,
                "queue", "rx", "interval", NEVER_US));
    }

    private void addDrop(String netdev, String role) {
        String sink = id(netdev, role) + SINK;
        monitor.execute("chardev-add", Map.of("id", sink, "backend", Map.of("type", "null", "data", Map.of())));
        monitor.execute("object-add", Map.of("qom-type", "filter-redirector", "id", id(netdev, role), "netdev", netdev,
                "queue", "rx", "outdev", sink, "status", "off"));
    }

    private static String id(String netdev, String role) {
        return "backstep-" + netdev + role;
    }

    /** What undoes {@link #setUp}, in this order; all that is held goes out. */
    List<Standby.Command> undo() {
        List<Standby.Command> commands = new ArrayList<>();
        for (String netdev : netdevs) {
            for (String role : List.of(NEW, DROP_NEW, OLD, DROP_OLD)) {
                commands.add(new Standby.Command("object-del", Map.of("id", id(netdev, role))));
            }
            for (String role : List.of(DROP_NEW, DROP_OLD)) {
                commands.add(new Standby.Command("chardev-remove", Map.of("id", id(netdev, role) + SINK)));
            }
        }
        return commands;
    }

    /** A machine that may run is about to be captured, as the number given or, if that fails, a greater one. */
    void capturing(long number) {
        if (isSetUp && oldFrom == NOTHING) {
            netdevs.forEach(netdev -> empty(netdev, NEW));
            oldFrom = number;
        }
    }

    /** No capture before this one is kept. */
    void committed(long oldestKept) {
        if (isSetUp && oldFrom != NOTHING && oldFrom <= oldestKept) {
            netdevs.forEach(netdev -> empty(netdev, OLD));
            oldFrom = NOTHING;
        }
    }

    /** The machine stands, and is what it was at a capture. */
    void rolledBack(long number) {
        if (!isSetUp) {
            return;
        }
        netdevs.forEach(netdev -> drop(netdev, NEW, DROP_NEW));
        if (oldFrom != NOTHING && oldFrom > number) {
            netdevs.forEach(netdev -> drop(netdev, OLD, DROP_OLD));
            oldFrom = NOTHING;
        }
    }

    private void drop(String netdev, String buffer, String drop) {
        status(netdev, drop, "on");
        empty(netdev, buffer);
        status(netdev, drop, "off");
    }

    private void empty(String netdev, String buffer) {
        status(netdev, buffer, "off");
        status(netdev, buffer, "on");
    }

    private void status(String netdev, String role, String value) {
        monitor.execute("qom-set", Map.of("path", "/objects/" + id(netdev, role), "property", "status", "value", value));
    }

    /** Nothing is held any more; what was, goes out. */
    void tearDown() {
        if (!isSetUp) {
            return;
        }
        isSetUp = false;
        for (Standby.Command command : undo()) {
            try {
                monitor.execute(command.name(), command.arguments());
            } catch (BackstepException e) {
                if (e.reason() == Reason.GONE) {
                    throw e;
                }
                // it was not made
            }
        }
    }
}
