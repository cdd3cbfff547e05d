// SPDX-License-Identifier: Apache-2.0
package io.backstep.bench.programs;

import java.util.ArrayList;
import java.util.List;
import java.util.function.ToDoubleFunction;

import io.backstep.bench.Sample;

/** All runs of one program in one way. */
final class Cell {
    /** The phases of a pause that it has when nothing is copied, too. */
    private static final List<String> FIXED = List.of("freeze", "scan", "state", "thaw");

    private final List<Run> runs = new ArrayList<>();

    void add(Run run) {
        runs.add(run);
    }

    int size() {
        return runs.size();
    }

    Sample of(ToDoubleFunction<Run> figure) {
        Sample sample = new Sample();
        runs.forEach(run -> sample.add(figure.applyAsDouble(run)));
        return sample;
    }

    Sample ownMs() {
        return of(Run::ownMs);
    }

    /** The median over the runs of a figure of their reports. */
    double reported(String path) {
        return of(run -> run.report().number(path)).median();
    }

    double longestPauseUs() {
        return of(run -> run.report().number("pause_us.max")).maximum();
    }

    /** What is left of a pause without its copying. */
    double fixedUs() {
        return of(run -> FIXED.stream().mapToDouble(phase -> run.report().number("phase_us." + phase + ".p50")).sum())
                .median();
    }

    /** What the first run wrote. */
    String digest() {
        return runs.get(0).output();
    }

    /** Did all runs write this? */
    boolean wrote(String digest) {
        return runs.stream().allMatch(run -> run.output().equals(digest));
    }
}
