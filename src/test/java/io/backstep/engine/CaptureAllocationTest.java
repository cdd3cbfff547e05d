// SPDX-License-Identifier: Apache-2.0
package io.backstep.engine;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.lang.management.ManagementFactory;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Deque;
import java.util.stream.Stream;

import com.sun.management.ThreadMXBean;
import io.backstep.core.ExecutionState;
import io.backstep.core.TargetEvent;
import io.backstep.core.TargetEvent.Kind;
import io.backstep.predict.Prediction;
import io.backstep.predict.Prices;
import io.backstep.retain.ErrorLatency;
import io.backstep.retain.KeepCoverage;
import io.backstep.retain.KeepLast;
import io.backstep.retain.Retention;
import io.backstep.store.CheckpointStore;
import io.backstep.target.process.ProcessTarget;
import io.backstep.target.process.Victim;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** The promise that captures make no garbage, so that no garbage collection disturbs the next pause. */
@Timeout(120)
class CaptureAllocationTest {
    private static final int WARM_UP = 300;
    /** More than one: on a busy machine an interval may be longer than any before, and tables grow. */
    private static final int BATCHES = 9;
    private static final int CAPTURES = 100;
    private static final long INTERVAL_NS = 1_000_000;
    private static final int PAGES_PER_ROUND = 200;

    @TempDir
    private Path directory;
    private final ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    private final TargetEvent event = new TargetEvent();
    private final Deque<ExecutionState> states = Captures.newStateQueue();
    private final RunLog log = new RunLog();
    private Victim victim;

    @BeforeEach
    void start() {
        Victim.assumeProtection();
        assumeTrue(threads.isThreadAllocatedMemorySupported() && threads.isThreadAllocatedMemoryEnabled(),
                "this JVM does not count the bytes that a thread allocates");
        int manyRounds = 1_000_000;
        victim = Victim.start(directory.resolve("output"), directory.resolve("error"),
                Victim.command("dirty", 16, PAGES_PER_ROUND, 1, manyRounds));
    }

    @AfterEach
    void end() {
        if (victim != null) {
            victim.close();
        }
    }

    @ParameterizedTest
    @MethodSource
    void shouldAllocateNothingForACapture(Retention retention) {
        try (ProcessTarget target = ProcessTarget.attach(victim.pid());
                CheckpointStore store = new CheckpointStore(256L << 20, states::addLast);
                Forecast forecast = new Forecast(Prediction.COST, new Prices(1500, 1000, 500));
                Captures captures = new Captures(target, store, retention, forecast, log, states)) {
            Victim.begin(target);
            captures.take();
            target.resume();
            take(captures, target, WARM_UP);
            allocatedBytes(); // its first call allocates

            long[] bytes = new long[BATCHES];
            for (int i = 0; i < BATCHES; i++) {
                long before = allocatedBytes();
                take(captures, target, CAPTURES);
                bytes[i] = allocatedBytes() - before;
            }

            Arrays.sort(bytes);
            assertEquals(0, bytes[BATCHES / 2], () -> "bytes for " + CAPTURES + " captures: " + Arrays.toString(bytes));
            double dirty = log.pageCounts(forecast.score()).dirtyMean();
            assertTrue(dirty >= PAGES_PER_ROUND / 2.0, "only " + dirty + " dirty pages on average");
        }
    }

    /** The second one merges undo logs at each capture. */
    private static Stream<Retention> shouldAllocateNothingForACapture() {
        return Stream.of(new KeepLast(3),
                KeepCoverage.ofFew(ErrorLatency.parse("exp:mean=20ms"), 0.9, INTERVAL_NS));
    }

    private long allocatedBytes() {
        return threads.getThreadAllocatedBytes(Thread.currentThread().getId());
    }

    private void take(Captures captures, ProcessTarget target, int count) {
        for (int i = 0; i < count; i++) {
            target.await(System.nanoTime() + INTERVAL_NS, event);
            assertEquals(Kind.NONE, event.kind());
            captures.take();
        }
    }
}
