// SPDX-License-Identifier: Apache-2.0
package io.backstep.cli;

import java.util.Map;
import java.util.concurrent.CompletableFuture;

/** Does what is asked for over a control socket. */
interface ControlHandler {
    /**
     * Begins what is asked and returns at once; called on the socket's thread.
     *
     * <p>The answer's fields go to the client in their order: strings, numbers, booleans, nulls, and lists and maps of
     * them. A {@link io.backstep.core.BackstepException} or {@link IllegalArgumentException} goes to it as its message.
     * An answer that nobody waits for any more is cancelled.
     */
    CompletableFuture<Map<String, Object>> handle(ControlRequest request);
}
