// SPDX-License-Identifier: Apache-2.0
package io.backstep.bench.coverage;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.SplittableRandom;

import io.backstep.core.Checkpoint;
import io.backstep.core.Fault;
import io.backstep.core.FaultPlan;
import io.backstep.core.FaultSurface;
import io.backstep.engine.DetectionRecord;
import io.backstep.engine.Engine;
import io.backstep.engine.EngineListener;
import io.backstep.engine.RollbackRecord;
import io.backstep.retain.ErrorLatency;

/**
 * Faults in one program, one after the other, each noticed its latency after it. A fault inverts a bit of the random
 * bytes that the kernel leaves on each program's stack, which the C library reads once, at the start: so the program
 * goes on whether or not it is undone, and whether it was undone is read from its memory, not from times. The next
 * fault comes when a history is full again, at a random moment of an interval. Works on the engine's thread. Seeded.
 */
final class Faults implements FaultPlan, EngineListener {
    private static final long AT_RANDOM = 25;
    private static final int WORD = Long.BYTES;
    private static final double NS_PER_MS = 1e6;
    private static final double PROBATION = 1.5;

    private final ErrorLatency latency;
    private final long refillNs;
    private final long phaseNs;
    private final SplittableRandom random;
    private Engine engine;
    private long pid;
    private long address;
    private long nextNs;
    private long before;
    private long drawnNs;
    private long struckNs;
    private int noticed;
    private int clean;
    private double expected;
    private double lateNs;
    private String broken;

    /**
     * @param refillNs after which a history is full
     * @param phaseNs several intervals
     */
    Faults(ErrorLatency latency, long refillNs, long phaseNs, long seed) {
        this.latency = latency;
        this.refillNs = refillNs;
        this.phaseNs = phaseNs;
        random = new SplittableRandom(seed);
        nextNs = Long.MAX_VALUE;
    }

    /** The program that runs, when it has begun to do its work. */
    void begin(Engine of, long programPid, long afterStartNs) {
        engine = of;
        pid = programPid;
        address = wordAddress();
        nextNs = afterStartNs + refillNs;
    }

    @Override
    public long nextAfterStartNs() {
        return nextNs;
    }

    @Override
    public Fault strike(FaultSurface surface, long nowNs) {
        nextNs = Long.MAX_VALUE;
        before = word();
        int bit = random.nextInt(Long.SIZE);
        surface.flipMemory(address, 1L << bit);
        drawnNs = (long) latency.sample(random);
        return new Fault(nowNs, "memory", "stack 0x" + Long.toHexString(address) + " bit " + bit, 0, drawnNs);
    }

    @Override
    public void faultInjected(Fault fault) {
        struckNs = fault.atNs();
    }

    @Override
    public void errorDetected(DetectionRecord detection, String detail) {
        if (!detection.detector().equals("plan")) {
            broken = "the program has errors of its own: " + detection.what();
            return;
        }
        double late = Math.max(0, detection.latencyMs() * NS_PER_MS - drawnNs);
        Checkpoint oldest = engine.checkpoints().get(0);
        double oldestNs = struckNs + detection.latencyMs() * NS_PER_MS - oldest.atNs();
        noticed++;
        expected += latency.atMost(oldestNs - late);
        lateNs += late;
        nextNs = (long) (detection.atMs() * NS_PER_MS) + refillNs + random.nextLong(phaseNs);
    }

    @Override
    public void rolledBack(RollbackRecord rollback) {
        if (rollback.outcome() == RollbackRecord.Outcome.RECOVERED) {
            clean += word() == before ? 1 : 0;
            nextNs += (long) (PROBATION * rollback.ageMs() * NS_PER_MS);
        }
    }

    @Override
    public void gaveUp(String error) {
        if (word() == before) {
            broken = "nothing was rolled back, and the fault is gone";
        }
    }

    @Override
    public void warning(String text) {
        if (text.startsWith("protection has stopped") || text.contains("refused")) {
            broken = text;
        }
    }

    /** How many errors were noticed. */
    int noticed() {
        return noticed;
    }

    /** After how many of them the program was without the fault. */
    int clean() {
        return clean;
    }

    /** The sum of the probabilities with which the oldest checkpoints that were there in fact were clean. */
    double expected() {
        return expected;
    }

    /** How much later than asked for the errors were noticed, in sum. */
    double lateNs() {
        return lateNs;
    }

    /** What makes the figures worthless, or null. */
    String broken() {
        return broken;
    }

    private long word() {
        try (RandomAccessFile memory = new RandomAccessFile("/proc/" + pid + "/mem", "r")) {
            byte[] bytes = new byte[WORD];
            memory.seek(address);
            memory.readFully(bytes);
            return ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).getLong();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** The one of the program's sixteen random bytes that is a whole word. */
    private long wordAddress() {
        try {
            byte[] bytes = Files.readAllBytes(Path.of("/proc/" + pid + "/auxv"));
            ByteBuffer vector = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
            while (vector.remaining() >= 2 * WORD) {
                long type = vector.getLong();
                long value = vector.getLong();
                if (type == AT_RANDOM) {
                    return (value + WORD - 1) / WORD * WORD;
                }
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        throw new IllegalStateException("process " + pid + " has no random bytes");
    }
}
