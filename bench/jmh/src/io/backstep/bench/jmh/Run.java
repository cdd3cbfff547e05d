// SPDX-License-Identifier: Apache-2.0
package io.backstep.bench.jmh;

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
 * @param iterationMs how long an iteration takes
 * @param counted 0, or so many calls in each iteration that what JMH allocates itself does not count, some 70 KB
 */
public record Run(Class<?> benchmark, String method, List<String> parameters, int iterationMs, int counted) {
    private static final int WARM_UP_MS = 400;
    private static final int ITERATION_MS = 300;
    private static final int LONG_ITERATION_MS = 700;

    public static Run of(Class<?> benchmark, String method, String... parameters) {
        return new Run(benchmark, method, List.of(parameters), ITERATION_MS, 0);
    }

    /** One that needs time to become typical. */
    public Run prolonged() {
        return new Run(benchmark, method, parameters, LONG_ITERATION_MS, counted);
    }

    public Run counted(int calls) {
        return new Run(benchmark, method, parameters, iterationMs, calls);
    }

    /** JMH takes all calls that it does not time by themselves for one. */
    int callsPerOperation() {
        return Math.max(counted, 1);
    }

    Options options(boolean quick) {
        ChainedOptionsBuilder options = new OptionsBuilder()
                .include("\\Q" + benchmark.getName() + "." + method + "\\E$")
                .forks(1)
                .warmupIterations(quick ? 1 : 2)
                .warmupTime(TimeValue.milliseconds(Math.max(iterationMs, WARM_UP_MS)))
                .measurementIterations(quick ? 3 : 5)
                .measurementTime(TimeValue.milliseconds(iterationMs))
                .addProfiler(GCProfiler.class)
                .shouldFailOnError(true);
        if (counted > 0) {
            options.mode(Mode.SingleShotTime).measurementBatchSize(counted).warmupBatchSize(counted);
        }
        for (String parameter : parameters) {
            int equals = parameter.indexOf('=');
            options.param(parameter.substring(0, equals), parameter.substring(equals + 1));
        }
        return options.build();
    }

    @Override
    public String toString() {
        return benchmark.getSimpleName() + "." + method + " " + String.join(" ", parameters) + (counted > 0 ? " counted" : "");
    }
}
