// SPDX-License-Identifier: Apache-2.0
package io.backstep.sys;

import io.backstep.core.BackstepException;

/** The service manager that started this process, such as systemd, if one did. Any thread. */
public final class ServiceManager {
    private ServiceManager() {
    }

    /**
     * Tells it that the service is up.
     *
     * @throws BackstepException FAILED: it wants to know and cannot be told
     */
    public static void ready() {
        Codes.check(LibBackstep.bs_notify("READY=1"));
    }
}
