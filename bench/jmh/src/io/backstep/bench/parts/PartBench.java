// SPDX-License-Identifier: Apache-2.0
package io.backstep.bench.parts;

import java.io.IOException;

import io.backstep.bench.jmh.Rounds;
import org.openjdk.jmh.runner.RunnerException;

/** The questions about the parts of the engine. */
public final class PartBench {
    private PartBench() {
    }

    public static void main(String[] names) throws IOException, RunnerException {
        new Rounds(Questions.all(), "target/bench/parts.log").ask(names, run -> true);
    }
}
