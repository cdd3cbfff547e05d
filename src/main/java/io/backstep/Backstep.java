// SPDX-License-Identifier: Apache-2.0
package io.backstep;

import java.util.List;
import java.util.Set;

import io.backstep.core.BackstepException;
import io.backstep.core.FaultPlan;
import io.backstep.core.Target;
import io.backstep.engine.Engine;
import io.backstep.engine.EngineListener;
import io.backstep.engine.EngineOptions;
import io.backstep.retain.KeepLast;
import io.backstep.sys.Inheritance;
import io.backstep.target.process.ProcessTarget;

/**
 * A target under protection. The thread that launches it is the one that {@link #run() runs} it and closes it, because
 * the kernel binds a tracer to its thread.
 */
public final class Backstep implements AutoCloseable {
    private final Target target;
    private final Engine engine;

    private Backstep(Target target, Engine engine) {
        this.target = target;
        this.engine = engine;
    }

    /**
     * Starts or takes hold of the target and takes the first checkpoint.
     *
     * @throws BackstepException UNFIT: the target is not there or cannot be protected. It is left as it was; a program
     *     that was to be started is ended.
     */
    public static Backstep launch(Context context) {
        context.conclude();
        EngineOptions options = new EngineOptions(context.intervalNs, context.pid != 0, context.durationNs);
        KeepLast retention = new KeepLast(context.keep);
        Target target = context.openTarget();
        Engine engine = null;
        try {
            engine = new Engine(options, target, retention, context.memoryBudgetBytes, context.faults,
                    context.listener, System::nanoTime);
            engine.onStart();
            return new Backstep(target, engine);
        } catch (RuntimeException | Error e) {
            giveUp(context, target, engine);
            throw e;
        }
    }

    /** A program that was to be started is ended; one that was there before runs on. */
    private static void giveUp(Context context, Target target, Engine engine) {
        if (context.pid == 0) {
            target.kill();
        }
        if (engine == null) {
            target.close();
        } else {
            engine.close();
        }
    }

    /** Protects the target until it ends or is let go. */
    public void run() {
        while (!engine.isDone()) {
            engine.doWork();
        }
    }

    public Engine engine() {
        return engine;
    }

    public Target target() {
        return target;
    }

    /** Lets the target go, if it still lives, and frees all memory. */
    @Override
    public void close() {
        engine.close();
    }

    /** What to protect and how. Set it up, hand it to {@link Backstep#launch}, and leave it alone. Not thread-safe. */
    public static final class Context {
        /** The time between two captures. */
        public static final long INTERVAL_NS_DEFAULT = 50_000_000L;
        /** How many checkpoints are kept. */
        public static final int KEEP_DEFAULT = 3;

        private List<String> command = List.of();
        private int pid;
        private boolean holdOutput = true;
        private Inheritance inheritance = Inheritance.NONE;
        private Set<Integer> errorSignals = ProcessTarget.ERROR_SIGNALS;
        private boolean handledToo;
        private long intervalNs = INTERVAL_NS_DEFAULT;
        private int keep = KEEP_DEFAULT;
        private long memoryBudgetBytes = Long.MAX_VALUE;
        private long durationNs = Long.MAX_VALUE;
        private FaultPlan faults = FaultPlan.NONE;
        private EngineListener listener = new EngineListener() { };
        private boolean isConcluded;

        /** Starts this program and protects it. */
        public Context program(List<String> programAndArguments) {
            command = List.copyOf(programAndArguments);
            return this;
        }

        /** Protects a running process. */
        public Context process(int processId) {
            pid = processId;
            return this;
        }

        /**
         * Hold what the program writes to standard output and error until no checkpoint can take it back. Default:
         * true.
         */
        public Context holdOutput(boolean hold) {
            holdOutput = hold;
            return this;
        }

        /** What the program gets of this process besides its environment and standard streams. Default: nothing. */
        public Context inheritance(Inheritance ofProgram) {
            inheritance = ofProgram;
            return this;
        }

        /** Which signals count as errors, and whether also when the program handles them itself. */
        public Context errorSignals(Set<Integer> signals, boolean alsoIfHandled) {
            errorSignals = Set.copyOf(signals);
            handledToo = alsoIfHandled;
            return this;
        }

        public Context intervalNs(long nanoseconds) {
            intervalNs = nanoseconds;
            return this;
        }

        public Context keep(int checkpoints) {
            keep = checkpoints;
            return this;
        }

        /** The most memory that frames may take. Default: no limit. */
        public Context memoryBudgetBytes(long bytes) {
            memoryBudgetBytes = bytes;
            return this;
        }

        /** Let the target go after this time. Default: never. */
        public Context durationNs(long nanoseconds) {
            durationNs = nanoseconds;
            return this;
        }

        public Context faults(FaultPlan plan) {
            faults = plan;
            return this;
        }

        public Context listener(EngineListener engineListener) {
            listener = engineListener;
            return this;
        }

        private void conclude() {
            if (isConcluded) {
                throw new IllegalStateException("this context was launched before");
            }
            if (command.isEmpty() == (pid == 0)) {
                throw new IllegalArgumentException(
                        "either a program or a process: program is " + command + ", process is " + pid);
            }
            if (memoryBudgetBytes <= 0) {
                throw new IllegalArgumentException(
                        "the memory budget must be more than 0 bytes, not " + memoryBudgetBytes);
            }
            isConcluded = true;
        }

        private Target openTarget() {
            ProcessTarget target = pid == 0 ? ProcessTarget.run(command, holdOutput, inheritance) : ProcessTarget.attach(pid);
            target.errorSignals(errorSignals, handledToo);
            return target;
        }
    }
}
