// SPDX-License-Identifier: Apache-2.0
package io.backstep.inject;

import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * Where a kind of target can ever be struck, so that a fault which never could is refused before anything runs.
 *
 * @param spaces names of address spaces in which memory can be named by its address
 * @param hasMachineChecks whether its threads are processors
 */
public record FaultPlaces(List<String> registers, List<String> areas, List<String> spaces, boolean hasMachineChecks) {
    /**
     * Refuses a fault for which there never is a place.
     *
     * @throws IllegalArgumentException one line that names the places there are
     */
    public void require(FaultSpec spec) {
        switch (spec.model()) {
            case FaultSpec.REGISTER -> require(spec.place(), registers.contains(spec.place()), "register",
                    String.join(", ", registers));
            case FaultSpec.MEMORY -> require(spec.place(),
                    spec.space() == null ? areas.contains(spec.place()) : spaces.contains(spec.space()), "memory area",
                    Stream.concat(areas.stream(), spaces.stream().map(space -> space + "=ADDRESS"))
                            .collect(Collectors.joining(", ")));
            default -> {
                if (!hasMachineChecks) {
                    throw new IllegalArgumentException("only a virtual machine takes machine checks: " + spec);
                }
            }
        }
    }

    private static void require(String place, boolean isThere, String kind, String places) {
        if (!place.equals(FaultSpec.ANY) && !isThere) {
            throw new IllegalArgumentException("there is no " + kind + " " + place + ", only " + places);
        }
    }
}
