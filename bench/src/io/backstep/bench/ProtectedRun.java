// SPDX-License-Identifier: Apache-2.0
package io.backstep.bench;

import java.util.List;
import java.util.function.BooleanSupplier;
import java.util.function.Function;

import io.backstep.Backstep;
import io.backstep.core.Discipline;
import io.backstep.core.FaultPlan;
import io.backstep.core.Target;
import io.backstep.engine.DetectionRecord;
import io.backstep.engine.Engine;
import io.backstep.engine.EngineListener;
import io.backstep.engine.EngineOptions;
import io.backstep.predict.Prediction;
import io.backstep.predict.Prices;
import io.backstep.retain.KeepLast;
import io.backstep.sys.HostPrices;
import io.backstep.sys.Inheritance;
import io.backstep.store.Redundancy;
import io.backstep.target.process.ProcessTarget;

/**
 * A program under protection as {@code backstep run} has it, but for the window through which its target is seen; its output is not
 * held. One thread makes it, works it and closes it. Closing kills the program.
 */
final class ProtectedRun implements AutoCloseable {
    private static final HostPrices HOST = HostPrices.measure();
    private static final Prices PRICES = new Prices(HOST.faultNs(), HOST.copyNs(), 2 * HOST.scanNs());
    private static final EngineListener ALERT = new EngineListener() {
        /** A capture that failed on a machine that stood still is no reason to begin anew, but to be told. */
        @Override
        public void warning(String text) {
            if (!text.startsWith("not restored by a rollback")) {
                System.err.println("  (" + text + ")");
            }
        }

        @Override
        public void errorDetected(DetectionRecord detection, String detail) {
            if (!"ctl".equals(detection.detector())) {
                throw new IllegalStateException(detail);
            }
        }

        @Override
        public void gaveUp(String error) {
            throw new IllegalStateException(error);
        }
    };

    private final ProcessTarget process;
    private final Engine engine;

    /** Starts the program and takes the first checkpoint. */
    ProtectedRun(List<String> command, long intervalNs, Function<ProcessTarget, Target> window) {
        this(start(command), intervalNs, window);
    }

    /** Takes over a program that was just started. */
    ProtectedRun(ProcessTarget started, long intervalNs, Function<ProcessTarget, Target> window) {
        process = started;
        engine = new Engine(new EngineOptions(intervalNs, false, Discipline.COPY, Prediction.COST, PRICES, Long.MAX_VALUE,
                Redundancy.OFF, Long.MAX_VALUE), window.apply(process),
                new KeepLast(Backstep.Context.KEEP_DEFAULT), Long.MAX_VALUE, FaultPlan.NONE, ALERT, System::nanoTime);
        engine.onStart();
    }

    /** Starts a program whose output is not held; it stands before its first instruction. */
    static ProcessTarget start(List<String> command) {
        return ProcessTarget.run(command, false, Inheritance.NONE);
    }

    Engine engine() {
        return engine;
    }

    /** Works until a condition holds; the program must not end before. */
    void workUntil(BooleanSupplier condition) {
        while (!condition.getAsBoolean()) {
            if (engine.isDone()) {
                throw new IllegalStateException(process.name() + " ended before it was measured");
            }
            engine.doWork();
        }
    }

    /** Works until the program has ended, well. */
    void workToEnd() {
        while (!engine.isDone()) {
            engine.doWork();
        }
        Integer code = engine.record("").exit().code();
        if (code == null || code != 0) {
            throw new IllegalStateException(process.name() + " failed: " + engine.record("").exit());
        }
    }

    @Override
    public void close() {
        if (!engine.isDone()) {
            process.kill();
            while (!engine.isDone()) {
                engine.doWork();
            }
        }
        engine.close();
    }
}
