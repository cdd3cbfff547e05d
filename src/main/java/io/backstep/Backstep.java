// SPDX-License-Identifier: Apache-2.0
package io.backstep;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalLong;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;

import io.backstep.core.BackstepException;
import io.backstep.core.Discipline;
import io.backstep.core.FaultPlan;
import io.backstep.core.Target;
import io.backstep.engine.Engine;
import io.backstep.engine.EngineListener;
import io.backstep.engine.EngineOptions;
import io.backstep.engine.RollbackRecord;
import io.backstep.predict.Prediction;
import io.backstep.predict.Prices;
import io.backstep.retain.KeepCoverage;
import io.backstep.retain.KeepLast;
import io.backstep.retain.Retention;
import io.backstep.store.Redundancy;
import io.backstep.sys.HostPrices;
import io.backstep.sys.Inheritance;
import io.backstep.sys.JvmOptions;
import io.backstep.target.process.ProcessTarget;
import io.backstep.target.region.Detector;
import io.backstep.target.region.Problem;
import io.backstep.target.region.Quiescence;
import io.backstep.target.region.Region;
import io.backstep.target.region.RegionListener;
import io.backstep.target.region.RegionTarget;
import io.backstep.target.vm.VmOptions;
import io.backstep.target.vm.VmTarget;
import org.agrona.concurrent.Agent;
import org.agrona.concurrent.AgentRunner;
import org.agrona.concurrent.AgentTerminationException;
import org.agrona.concurrent.NoOpIdleStrategy;

/**
 * A target under protection.
 *
 * <p>Who works it: a program or process, the thread that launched it, by {@link #run()}, because the kernel binds a
 * tracer to its thread; regions with a {@link Quiescence}, a thread of backstep's own; regions without one, the
 * application, by {@link #checkpoint()} at its own consistent points or by an {@link #agent()} in its duty cycle.
 */
public final class Backstep implements AutoCloseable {
    private final Target target;
    private final Engine engine;
    private final Map<String, Region> regions;
    private final AgentRunner runner;
    private volatile Throwable failure;

    private Backstep(Context context, Target target, Engine engine) {
        this.target = target;
        this.engine = engine;
        regions = Map.copyOf(context.regions);
        runner = regions.isEmpty() || context.quiescence == Quiescence.CALLER
                ? null
                : new AgentRunner(NoOpIdleStrategy.INSTANCE, this::failed, null, agent());
    }

    /**
     * Starts or takes hold of the target and takes the first checkpoint.
     *
     * @throws BackstepException UNFIT: the target is not there or cannot be protected, or the JVM lacks options, which
     *     the message names. The target is left as it was; a program that was to be started is ended.
     */
    public static Backstep launch(Context context) {
        JvmOptions.require();
        context.conclude();
        EngineOptions options = new EngineOptions(context.intervalNs, context.overhead, context.learns,
                context.isThereBefore() && context.discipline == Discipline.COPY, context.discipline, context.prediction,
                prices(context), context.durationNs, context.redundancy, context.scrubNs);
        Target target = context.openTarget();
        Engine engine = null;
        try {
            engine = new Engine(options, target, context.retention, context.memoryBudgetBytes, context.faults,
                    context.listener, System::nanoTime);
            engine.onStart();
            Backstep backstep = new Backstep(context, target, engine);
            backstep.start();
            return backstep;
        } catch (RuntimeException | Error e) {
            giveUp(context, target, engine);
            throw e;
        }
    }

    /** Measured, which takes a while, only where something is predicted or the interval depends on it. */
    private static Prices prices(Context context) {
        if (context.prediction == Prediction.OFF && context.overhead == 0) {
            return Prices.NONE;
        }
        HostPrices host = HostPrices.measure(context.discipline);
        return new Prices(host.faultNs(), host.copyNs(), 2 * host.scanNs());
    }

    /** A program that was to be started is ended; one that was there before runs on. */
    private static void giveUp(Context context, Target target, Engine engine) {
        if (!context.isThereBefore()) {
            target.kill();
        }
        if (engine == null) {
            target.close();
        } else {
            engine.close();
        }
        context.ownRegions.forEach(Region::close);
    }

    private void start() {
        if (runner != null) {
            AgentRunner.startOnThread(runner, work -> {
                Thread thread = new Thread(work);
                thread.setDaemon(true);
                return thread;
            });
        }
    }

    private void failed(Throwable error) {
        if (!(error instanceof AgentTerminationException)) {
            failure = error;
            engine.fail(error);
            throw new AgentTerminationException(error);
        }
    }

    /** Protects the target until it ends or is let go. For programs and processes. */
    public void run() {
        while (!engine.isDone()) {
            engine.doWork();
        }
    }

    /* ---- regions ---- */

    /** A protected region by its name. */
    public Region region(String name) {
        Region region = regions.get(name);
        if (region == null) {
            throw new IllegalArgumentException("there is no region " + name + ", only " + regions.keySet());
        }
        return region;
    }

    /**
     * Protection as a part of somebody's duty cycle. Without a {@link Quiescence} it never waits, and takes a capture
     * when the interval has passed: call it where the data is consistent.
     */
    public Agent agent() {
        return new Agent() {
            @Override
            public int doWork() {
                if (engine.isDone()) {
                    throw new AgentTerminationException();
                }
                return engine.doWork();
            }

            @Override
            public String roleName() {
                return engine.roleName();
            }
        };
    }

    /**
     * Takes a checkpoint now. When a detector finds an error, the regions are rolled back instead.
     *
     * @return the number of the newest checkpoint: the new one, or the one that was rolled back to
     * @throws BackstepException FAILED: the regions are as they were and the last checkpoint is usable; GONE: there is
     *     no protection any more
     */
    public long checkpoint() {
        if (runner == null) {
            return engine.checkpoint();
        }
        requireOtherThread();
        return answer(engine.requestCheckpoint());
    }

    /** Rolls back to the checkpoint most worth trying. */
    public RollbackRecord rollback() {
        return rollback(OptionalLong.empty());
    }

    /** Rolls back to a kept checkpoint. Later ones are gone. */
    public RollbackRecord rollbackTo(long checkpoint) {
        return rollback(OptionalLong.of(checkpoint));
    }

    private RollbackRecord rollback(OptionalLong to) {
        if (runner == null) {
            return engine.rollBack(to);
        }
        requireOtherThread();
        return answer(engine.requestRollback(to));
    }

    /**
     * Tells of an error that the application noticed by itself: it is treated as one of a detector's. Any thread.
     *
     * @param detector who noticed it
     */
    public void errorNoticed(String detector, Problem problem) {
        if (!(target instanceof RegionTarget regionTarget)) {
            throw new IllegalStateException("a " + target.kind() + " has its own detectors");
        }
        regionTarget.errorNoticed(detector, problem);
    }

    private void requireOtherThread() {
        if (Thread.currentThread() == runner.thread()) {
            throw new IllegalStateException("a listener or detector cannot ask for what its own thread must do");
        }
    }

    private static <T> T answer(CompletableFuture<T> future) {
        try {
            return future.join();
        } catch (CompletionException e) {
            if (e.getCause() instanceof BackstepException reason) {
                throw new BackstepException(reason.reason(), reason.getMessage(), reason);
            }
            throw e;
        }
    }

    /** What ended the protection by mistake, or null. The writers of regions go on without it. Any thread. */
    public Throwable failure() {
        return failure;
    }

    public Engine engine() {
        return engine;
    }

    public Target target() {
        return target;
    }

    /**
     * Lets the target go, if it still lives, and frees all memory. Regions that own theirs are closed too: writers must
     * have ended.
     */
    @Override
    public void close() {
        if (runner != null) {
            requireOtherThread();
            engine.requestDetach();
            runner.close();
        }
        engine.close();
        regions.values().forEach(Region::close);
    }

    /** What to protect and how. Set it up, hand it to {@link Backstep#launch}, and leave it alone. Not thread-safe. */
    public static final class Context {
        /** The time between two captures. */
        public static final long INTERVAL_NS_DEFAULT = 50_000_000L;
        /** How many checkpoints are kept. */
        public static final int KEEP_DEFAULT = 3;

        /** The time in which all frames are compared with their checksums once. */
        public static final long SCRUB_NS_DEFAULT = 10_000_000_000L;

        /** How long the application's record of a checkpoint may be. */
        public static final int RECORD_BYTES_DEFAULT = 64;

        private final Map<String, Region> regions = new LinkedHashMap<>();
        private final List<Region> ownRegions = new ArrayList<>();
        private final Map<Detector, Integer> detectors = new LinkedHashMap<>();
        private Quiescence quiescence = Quiescence.CALLER;
        private RegionListener regionListener = new RegionListener() { };
        private int recordBytes = RECORD_BYTES_DEFAULT;
        private List<String> command = List.of();
        private int pid;
        private Path monitor;
        private VmOptions machineOptions = VmOptions.DEFAULT;
        private boolean holdOutput = true;
        private Inheritance inheritance = Inheritance.NONE;
        private Set<Integer> errorSignals = ProcessTarget.ERROR_SIGNALS;
        private boolean handledToo;
        private long intervalNs = INTERVAL_NS_DEFAULT;
        private double overhead;
        private boolean learns;
        private Discipline discipline = Discipline.COPY;
        private Prediction prediction = Prediction.COST;
        private Retention retention = new KeepLast(KEEP_DEFAULT);
        private long memoryBudgetBytes = Long.MAX_VALUE;
        private long durationNs = Long.MAX_VALUE;
        private Redundancy redundancy = Redundancy.OFF;
        private long scrubNs = SCRUB_NS_DEFAULT;
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
         * Protects the virtual machine of a running QEMU, by a QMP socket of its. Disks that 'backstep disk' serves are
         * found by themselves.
         */
        public Context machine(Path monitorSocket, VmOptions options) {
            monitor = monitorSocket;
            machineOptions = options;
            return this;
        }

        /**
         * Protects a region; one context may have several. They are closed with the protection, and left as they are
         * when the launch fails.
         */
        public Context region(Region region) {
            if (regions.putIfAbsent(region.name(), region) != null) {
                throw new IllegalArgumentException("there are two regions " + region.name());
            }
            return this;
        }

        /** Protects a region of its own memory, of zeros at first. */
        public Context region(String name, long lengthBytes) {
            Region region = Region.map(name, lengthBytes);
            ownRegions.add(region);
            return region(region);
        }

        /**
         * How the threads that write to regions are brought to rest. With one, a thread of backstep's own keeps the
         * interval. Default: {@link Quiescence#CALLER}, the application says when.
         */
        public Context quiescence(Quiescence ofWriters) {
            quiescence = ofWriters;
            return this;
        }

        public Context regionListener(RegionListener listenerOfApplication) {
            regionListener = listenerOfApplication;
            return this;
        }

        /** How long the application's record of a checkpoint may be, in bytes. */
        public Context recordBytes(int bytes) {
            recordBytes = bytes;
            return this;
        }

        /** Asks a detector before every so many captures of regions. */
        public Context detector(Detector detector, int everyCaptures) {
            if (everyCaptures < 1) {
                throw new IllegalArgumentException(
                        "detector " + detector.name() + ": every " + everyCaptures + " captures");
            }
            detectors.put(detector, everyCaptures);
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

        /**
         * The interval adapts, so that captures cost this share of the time; it begins with {@link #intervalNs} and
         * stays between 1 ms and 1 s. Default: 0, a fixed interval.
         */
        public Context overhead(double share) {
            overhead = share;
            return this;
        }

        /** The error latency that the retention was made for is corrected by what is observed. Default: false. */
        public Context learn(boolean fromErrors) {
            learns = fromErrors;
            return this;
        }

        /** How a capture of a program or process gets its pre-images. Default: copy. */
        public Context capture(Discipline ofCapture) {
            discipline = ofCapture;
            return this;
        }

        /** Which pages are left writable, because they are expected to be written again. Default: what costs least. */
        public Context prediction(Prediction ofWrites) {
            prediction = ofWrites;
            return this;
        }

        /** Keeps the newest checkpoints, so many of them. */
        public Context keep(int checkpoints) {
            return retention(new KeepLast(checkpoints));
        }

        /** Which checkpoints are kept. Default: the newest {@value #KEEP_DEFAULT}. */
        public Context retention(Retention ofCheckpoints) {
            retention = ofCheckpoints;
            return this;
        }

        /** The most memory that frames may take. Default: no limit. */
        public Context memoryBudgetBytes(long bytes) {
            memoryBudgetBytes = bytes;
            return this;
        }

        /** What a broken frame is repaired from. Default: nothing; the checkpoints that need it are lost. */
        public Context redundancy(Redundancy ofFrames) {
            redundancy = ofFrames;
            return this;
        }

        /** The time in which all frames are compared with their checksums once; Long.MAX_VALUE for never. */
        public Context scrubNs(long nanoseconds) {
            scrubNs = nanoseconds;
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
            int targets = (command.isEmpty() ? 0 : 1) + (pid == 0 ? 0 : 1) + (monitor == null ? 0 : 1)
                    + (regions.isEmpty() ? 0 : 1);
            if (targets != 1) {
                throw new IllegalArgumentException("either a program, a process, a machine or regions: program is "
                        + command + ", process is " + pid + ", monitor is " + monitor + ", regions are "
                        + regions.keySet());
            }
            if (learns && !(retention instanceof KeepCoverage)) {
                throw new IllegalArgumentException(
                        "nothing can be learnt for " + retention + ", which asks for no error latency");
            }
            long mostIntervalNs = overhead > 0 ? EngineOptions.LONGEST_INTERVAL_NS : Math.max(1, intervalNs);
            long longestNs = retention.longestNs(mostIntervalNs);
            long reach = longestNs == Long.MAX_VALUE ? longestNs : longestNs / mostIntervalNs;
            detectors.forEach((detector, everyCaptures) -> {
                if (everyCaptures > reach) {
                    throw new IllegalArgumentException("detector " + detector.name() + " is asked every "
                            + everyCaptures + " captures, but only " + reach
                            + " are kept: what it finds may be in all of them");
                }
            });
            if (!regions.isEmpty() && discipline != Discipline.COPY) {
                throw new IllegalArgumentException("regions are captured by copy, not by " + discipline.key());
            }
            if (recordBytes < 0) {
                throw new IllegalArgumentException("a record must have 0 bytes or more, not " + recordBytes);
            }
            if (memoryBudgetBytes <= 0) {
                throw new IllegalArgumentException(
                        "the memory budget must be more than 0 bytes, not " + memoryBudgetBytes);
            }
            isConcluded = true;
        }

        private boolean isThereBefore() {
            return pid != 0 || monitor != null;
        }

        private Target openTarget() {
            if (monitor != null) {
                return VmTarget.attach(monitor, machineOptions, discipline, ServedDisk::at);
            }
            return regions.isEmpty() ? openProcess() : openRegions();
        }

        private Target openRegions() {
            RegionTarget target = new RegionTarget(List.copyOf(regions.values()), quiescence,
                    quiescence != Quiescence.CALLER, regionListener, recordBytes);
            detectors.forEach(target::addDetector);
            return target;
        }

        private Target openProcess() {
            ProcessTarget target = pid == 0
                    ? ProcessTarget.run(command, holdOutput, inheritance, discipline)
                    : ProcessTarget.attach(pid, discipline);
            target.errorSignals(errorSignals, handledToo);
            return target;
        }
    }
}
