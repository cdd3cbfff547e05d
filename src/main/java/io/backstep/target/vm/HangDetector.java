// SPDX-License-Identifier: Apache-2.0
package io.backstep.target.vm;

import java.nio.file.Path;
import java.util.concurrent.TimeUnit;

import io.backstep.core.TargetEvent;

/** Notices that a machine does not get on: by a heartbeat that stays away. Confined to one thread. */
final class HangDetector implements AutoCloseable {
    private static final long LISTEN_NS = TimeUnit.MILLISECONDS.toNanos(50);

    private final SignsOfLife beats;
    private final Path port;
    private Heartbeat heartbeat;
    private long awaitedNs; // the machine ran
    private long listenedNs;

    /** Listens to nothing yet. */
    HangDetector(VmOptions options) {
        port = options.heartbeat();
        beats = port == null ? null : new SignsOfLife("heartbeat", options.hangAfterNs());
        awaitedNs = System.nanoTime();
        listenedNs = awaitedNs;
    }

    /** Listens from now on. */
    void start() {
        if (port != null) {
            heartbeat = Heartbeat.connect(port);
        }
    }

    /** How long an await may be, so that nothing comes too late. */
    long deadlineNs(long deadlineNs, long nowNs) {
        return heartbeat == null ? deadlineNs : Math.min(deadlineNs, nowNs + LISTEN_NS);
    }

    /** Looks, while the machine runs; tells of a hang. */
    boolean tellIfHung(long nowNs, TargetEvent into) {
        awaitedNs = nowNs;
        if (heartbeat != null && heartbeat.beats()) {
            beats.seen(listenedNs, nowNs);
        }
        listenedNs = nowNs;
        return beats != null && beats.tellIfMissed(nowNs, into);
    }

    /** The machine stood, or is now what it was. If it shows no sign of life, it had stopped before. */
    void anew(long nowNs) {
        if (heartbeat != null) {
            heartbeat.beats(); // those of a past that is undone
            beats.anew(awaitedNs, nowNs);
        }
        listenedNs = nowNs;
    }

    @Override
    public void close() {
        if (heartbeat != null) {
            heartbeat.close();
        }
    }
}
