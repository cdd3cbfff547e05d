// SPDX-License-Identifier: Apache-2.0
package io.backstep.bench.regions;

import java.util.List;

import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.profile.GCProfiler;
import org.openjdk.jmh.runner.options.ChainedOptionsBuilder;
import org.openjdk.jmh.runner.options.Options;
import org.openjdk.jmh.runner.options.OptionsBuilder;
import org.openjdk.jmh.runner.options.TimeValue;

/**
 * One benchmark with its parameters: a fork of JMH's in each round.
 *
 * @param parameters each as name=value
 * @param isCounted so many calls are made in each iteration that what JMH allocates itself does not count, some 70 KB
 */
record Run(Class<?> benchmark, String method, List<String> parameters, boolean isCounted) {
    private static final int CALLS = 20_000;

    static Run of(Class<?> benchmark, String method, String... parameters) {
        return new Run(benchmark, method, List.of(parameters), false);
    }

    Run counted() {
        return new Run(benchmark, method, parameters, true);
    }

    /** JMH takes all calls that it does not time by themselves for one. */
    int callsPerOperation() {
        return isCounted ? CALLS : 1;
    }

    Options options(boolean quick) {
        boolean isLong = benchmark == Writers.class;
        ChainedOptionsBuilder options = new OptionsBuilder()
                .include("\\Q" + benchmark.getName() + "." + method + "\\E$")
                .forks(1)
                .warmupIterations(quick ? 1 : 2)
                .warmupTime(TimeValue.milliseconds(isLong ? 700 : 400))
                .measurementIterations(quick ? 3 : 5)
                .measurementTime(TimeValue.milliseconds(isLong ? 700 : 300))
                .addProfiler(GCProfiler.class)
                .shouldFailOnError(true);
        if (isCounted) {
            options.mode(Mode.SingleShotTime).measurementBatchSize(CALLS).warmupBatchSize(CALLS);
        }
        for (String parameter : parameters) {
            int equals = parameter.indexOf('=');
            options.param(parameter.substring(0, equals), parameter.substring(equals + 1));
        }
        return options.build();
    }

    @Override
    public String toString() {
        return benchmark.getSimpleName() + "." + method + " " + String.join(" ", parameters) + (isCounted ? " counted" : "");
    }
}
