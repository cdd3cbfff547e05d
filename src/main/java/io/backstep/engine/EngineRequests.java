// SPDX-License-Identifier: Apache-2.0
package io.backstep.engine;

import java.util.Queue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.function.BooleanSupplier;

import io.backstep.core.BackstepException;
import io.backstep.core.BackstepException.Reason;

/** What other threads ask of an engine, answered on its thread and in their order; refused when it is done. */
final class EngineRequests {
    private final Queue<EngineRequest<?>> waiting = new ConcurrentLinkedQueue<>();
    private final BooleanSupplier isDone;
    private final Runnable wake;

    /**
     * @param isDone will the engine answer nothing more? Read by any thread
     * @param wake ends a wait of the engine's thread
     */
    EngineRequests(BooleanSupplier isDone, Runnable wake) {
        this.isDone = isDone;
        this.wake = wake;
    }

    /** Any thread. */
    <T> CompletableFuture<T> ask(EngineRequest.Work<T> work) {
        EngineRequest<T> request = new EngineRequest<>(work);
        waiting.add(request);
        if (isDone.getAsBoolean()) {
            refuseAll();
        } else {
            wake.run();
        }
        return request.answer();
    }

    /** The engine's thread. */
    void answerAll() {
        for (EngineRequest<?> request; !isDone.getAsBoolean() && (request = waiting.poll()) != null;) {
            request.run();
        }
    }

    /** Once the engine is done. Any thread. */
    void refuseAll() {
        for (EngineRequest<?> request; (request = waiting.poll()) != null;) {
            request.refuse(new BackstepException(Reason.GONE, "the target is no longer protected"));
        }
    }
}
