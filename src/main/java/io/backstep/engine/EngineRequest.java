// SPDX-License-Identifier: Apache-2.0
package io.backstep.engine;

import java.util.concurrent.CompletableFuture;

import io.backstep.core.BackstepException;

/** Something that another thread asks of an engine, answered when the engine's thread has done it. */
final class EngineRequest<T> {
    /** What is done on the engine's thread. */
    interface Work<T> {
        T run();
    }

    private final Work<T> work;
    private final CompletableFuture<T> answer = new CompletableFuture<>();

    EngineRequest(Work<T> work) {
        this.work = work;
    }

    CompletableFuture<T> answer() {
        return answer;
    }

    void run() {
        try {
            answer.complete(work.run());
        } catch (BackstepException e) {
            answer.completeExceptionally(e);
        } catch (RuntimeException | Error e) { // not only the asker's business: the target may stand
            answer.completeExceptionally(e);
            throw e;
        }
    }

    void refuse(RuntimeException why) {
        answer.completeExceptionally(why);
    }
}
