// SPDX-License-Identifier: Apache-2.0
package io.backstep.bench.vm;

import java.util.EnumMap;
import java.util.Map;
import java.util.concurrent.CountDownLatch;

import io.backstep.Backstep;
import io.backstep.DiskServers;
import io.backstep.bench.ObservedTarget;
import io.backstep.bench.Sample;
import io.backstep.core.Capture;
import io.backstep.core.Discipline;
import io.backstep.core.FaultPlan;
import io.backstep.core.Phase;
import io.backstep.engine.Engine;
import io.backstep.engine.EngineListener;
import io.backstep.engine.EngineOptions;
import io.backstep.predict.Prediction;
import io.backstep.predict.Prices;
import io.backstep.retain.KeepLast;
import io.backstep.store.Redundancy;
import io.backstep.sys.HostPrices;
import io.backstep.target.vm.VmOptions;
import io.backstep.target.vm.VmTarget;

/** A guest under protection as {@code backstep vm} has it, by a thread of its own, each pause looked at. Closing lets it go. */
final class Protection implements AutoCloseable {
    private static final Map<Discipline, Prices> PRICES = new EnumMap<>(Discipline.class);

    static {
        for (Discipline discipline : Discipline.values()) {
            HostPrices host = HostPrices.measure(discipline);
            PRICES.put(discipline, new Prices(host.faultNs(), host.copyNs(), 2 * host.scanNs()));
        }
    }

    private static final VmOptions OPTIONS = new VmOptions(VmOptions.DEFAULT.pid(), VmOptions.DEFAULT.exchange(),
            VmOptions.DETECTORS_DEFAULT, true, VmOptions.HANG_AFTER_NS_DEFAULT, null, true);

    /** Pauses of captures and the parts of each, in ms, and the pages written before each; and what QEMU told. */
    static final class Pauses {
        final Sample ms = new Sample();
        final Sample byQemuMs = new Sample();
        final Sample pages = new Sample();
        final Map<Phase, Sample> parts = new EnumMap<>(Phase.class);

        Pauses() {
            for (Phase phase : Phase.values()) {
                parts.put(phase, new Sample());
            }
        }

        private void add(Capture capture) {
            ms.add(capture.pauseNs() / 1e6);
            pages.add(capture.pages().size() + capture.saved().pages().size());
            parts.forEach((phase, sample) -> sample.add(capture.phaseNs(phase) / 1e6));
        }
    }

    private final class Window extends ObservedTarget {
        Window(VmTarget target) {
            super(target);
        }

        @Override
        public boolean capture(Capture capture) {
            boolean complete = super.capture(capture);
            if (complete && !capture.isLive()) {
                note(capture);
            }
            return complete;
        }
    }

    private final Thread thread;
    private final CountDownLatch begun = new CountDownLatch(1);
    private volatile Throwable failure;
    private volatile Engine engine;
    private Pauses into;

    /** Takes hold of a guest; returns when the first checkpoint is there. */
    Protection(Guest guest, long intervalNs, Discipline discipline) {
        thread = new Thread(() -> protect(guest, intervalNs, discipline), "protects");
        thread.start();
        try {
            begun.await();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        check();
    }

    private void protect(Guest guest, long intervalNs, Discipline discipline) {
        try (Engine own = new Engine(
                new EngineOptions(intervalNs, discipline == Discipline.COPY, discipline, Prediction.COST,
                        PRICES.get(discipline), Long.MAX_VALUE, Redundancy.OFF, Long.MAX_VALUE),
                new Window(VmTarget.attach(guest.socket(), OPTIONS, discipline, DiskServers.SERVED)),
                new KeepLast(Backstep.Context.KEEP_DEFAULT),
                Long.MAX_VALUE, FaultPlan.NONE, new EngineListener() { }, System::nanoTime)) {
            own.onStart();
            engine = own;
            begun.countDown();
            while (!own.isDone()) {
                own.doWork();
            }
        } catch (RuntimeException | Error e) {
            failure = e;
        } finally {
            begun.countDown();
        }
    }

    private synchronized void note(Capture capture) {
        if (into != null) {
            into.add(capture);
        }
    }

    /** From now on pauses go there; null: nowhere. */
    synchronized void observe(Pauses pauses) {
        into = pauses;
    }

    Engine engine() {
        return engine;
    }

    private void check() {
        if (failure != null) {
            throw new IllegalStateException("protection failed: " + failure, failure);
        }
    }

    @Override
    public void close() {
        if (thread.isAlive()) {
            engine.requestDetach();
        }
        try {
            thread.join();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        check();
    }
}
