// SPDX-License-Identifier: Apache-2.0
package io.backstep.sys;

import java.util.ArrayList;
import java.util.List;

/** What this host offers, found out by trying it and kept. Immutable. */
public final class Host {
    private final List<Facility> facilities;

    /** Not the host we are on, but one that offers this. */
    public Host(List<Facility> facilities) {
        this.facilities = List.copyOf(facilities);
    }

    /** The host we are on. The first call tries each facility, which takes a few milliseconds; never fails. */
    public static Host current() {
        return Current.HOST;
    }

    /** The same host and the other programs that it has. Starts each of them to ask for its version. */
    public Host withPrograms() {
        List<Facility> all = new ArrayList<>(facilities);
        all.addAll(new HostPrograms(System.getenv("PATH")).facilities());
        return new Host(all);
    }

    public List<Facility> facilities() {
        return facilities;
    }

    /** The needed facilities that are missing. */
    public List<Facility> lacking() {
        return facilities.stream().filter(facility -> facility.needed() && facility.isMissing()).toList();
    }

    /** Can a process be protected here? */
    public boolean canProtect() {
        return lacking().isEmpty();
    }

    /** One sentence for people: that a process can be protected here, or what is missing for it. */
    public String verdict() {
        List<Facility> lacking = lacking();
        if (lacking.isEmpty()) {
            return "this host can protect processes";
        }
        StringBuilder names = new StringBuilder();
        for (int i = 0; i < lacking.size(); i++) {
            names.append(i == 0 ? "" : i == lacking.size() - 1 ? " and " : ", ").append(lacking.get(i).name());
        }
        return "this host cannot protect processes: " + names + (lacking.size() == 1 ? " is missing" : " are missing");
    }

    /** Filled when first asked for. */
    private static final class Current {
        static final Host HOST = probe();

        private static Host probe() {
            HostFiles files = new HostFiles();
            List<Facility> found = new ArrayList<>();
            found.add(files.kernel());
            found.addAll(HostKernel.probe(files.unprivilegedUserfaultfd()));
            found.addAll(files.facilities());
            return new Host(found);
        }
    }
}
