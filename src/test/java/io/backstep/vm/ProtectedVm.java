// SPDX-License-Identifier: Apache-2.0
package io.backstep.vm;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Predicate;
import java.util.stream.Stream;

import io.backstep.Backstep;
import io.backstep.core.Fault;
import io.backstep.engine.DetectionRecord;
import io.backstep.engine.Engine;
import io.backstep.engine.EngineListener;
import io.backstep.engine.RollbackRecord;
import io.backstep.inject.FaultSpec;
import io.backstep.inject.InjectionPlan;
import io.backstep.target.vm.VmOptions;

/** A guest under protection, worked by a thread of its own. What it tells is kept, in order. */
public final class ProtectedVm implements AutoCloseable, EngineListener {
    private final ReentrantLock lock = new ReentrantLock();
    private final Condition news = lock.newCondition();
    private final List<Object> told = new ArrayList<>();
    private final Thread worker;
    private Engine engine;
    private Throwable failure;
    private boolean ended;

    private ProtectedVm(Backstep.Context context) {
        context.listener(this);
        worker = new Thread(() -> work(context), "protects the guest");
        worker.setDaemon(true);
    }

    /** Protects with faults, if any are given; returns when the first checkpoint was taken. */
    public static ProtectedVm of(GuestVm guest, VmOptions options, String... faults) {
        return of(new Backstep.Context()
                .machine(guest.qmpSocket(), options)
                .faults(new InjectionPlan(Stream.of(faults).map(FaultSpec::parse).toList())));
    }

    /** Protects as a context says. */
    public static ProtectedVm of(Backstep.Context context) {
        ProtectedVm vm = new ProtectedVm(context);
        vm.worker.start();
        vm.await("the first checkpoint", () -> vm.engine != null ? vm.engine : null);
        return vm;
    }

    private void work(Backstep.Context context) {
        try (Backstep backstep = Backstep.launch(context)) {
            change(() -> engine = backstep.engine());
            backstep.run();
            if (backstep.engine().broken() != null) {
                throw backstep.engine().broken();
            }
        } catch (RuntimeException | Error e) {
            change(() -> failure = e);
        } finally {
            change(() -> ended = true);
        }
    }

    /** Takes requests from any thread. */
    public Engine engine() {
        return engine;
    }

    private void change(Runnable change) {
        lock.lock();
        try {
            change.run();
            news.signalAll();
        } finally {
            lock.unlock();
        }
    }

    private interface Wanted<T> {
        T orNull();
    }

    private <T> T await(String what, Wanted<T> wanted) {
        lock.lock();
        try {
            long leftNs = GuestVm.LIMIT.toNanos();
            while (true) {
                T found = wanted.orNull();
                if (found != null) {
                    return found;
                }
                if (ended || leftNs <= 0) {
                    throw new AssertionError("no " + what + "; told was " + told, failure);
                }
                leftNs = news.awaitNanos(leftNs);
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new AssertionError("interrupted", e);
        } finally {
            lock.unlock();
        }
    }

    /** Waits for something of a kind that was told, also before this call. */
    public <T> T await(Class<T> kind, Predicate<T> which) {
        return await(kind.getSimpleName(), () -> told.stream().filter(kind::isInstance).map(kind::cast).filter(which)
                .findFirst().orElse(null));
    }

    /** Waits until so many of a kind were told, and gives them. */
    public <T> List<T> await(Class<T> kind, int count) {
        return await(count + " times " + kind.getSimpleName(), () -> {
            List<T> those = all(kind);
            return those.size() >= count ? those : null;
        });
    }

    /** All of a kind that were told until now. */
    public <T> List<T> all(Class<T> kind) {
        lock.lock();
        try {
            return told.stream().filter(kind::isInstance).map(kind::cast).toList();
        } finally {
            lock.unlock();
        }
    }

    @Override
    public void warning(String text) {
        change(() -> told.add(text));
    }

    @Override
    public void faultInjected(Fault fault) {
        change(() -> told.add(fault));
    }

    /** A detection, and the number of the oldest checkpoint that was kept then. */
    public record Noticed(DetectionRecord detection, long oldestKept) {
    }

    @Override
    public void errorDetected(DetectionRecord detection, String detail) {
        long oldestKept = engine.checkpoints().get(0).id();
        change(() -> {
            told.add(detection);
            told.add(new Noticed(detection, oldestKept));
        });
    }

    @Override
    public void rolledBack(RollbackRecord rollback) {
        change(() -> told.add(rollback));
    }

    @Override
    public void gaveUp(String error) {
        change(() -> told.add("gave up: " + error));
    }

    /** Lets the guest go. A failure of the protection is one of the test. */
    @Override
    public void close() {
        if (engine != null && !ended) {
            engine.requestDetach();
        }
        try {
            worker.join(Duration.ofSeconds(20).toMillis());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        if (worker.isAlive()) {
            throw new AssertionError("the protection does not end within " + TimeUnit.SECONDS.toSeconds(20) + " s");
        }
        if (failure != null) {
            throw new AssertionError("the protection failed; told was " + told, failure);
        }
    }
}
