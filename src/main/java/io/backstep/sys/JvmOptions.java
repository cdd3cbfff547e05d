// SPDX-License-Identifier: Apache-2.0
package io.backstep.sys;

import java.util.ArrayList;
import java.util.List;

import io.backstep.core.BackstepException;
import io.backstep.core.BackstepException.Reason;
import org.agrona.UnsafeApi;

/**
 * The options that a JVM must be started with to use backstep as a library. {@code java -jar backstep.jar} has them
 * from its manifest.
 */
public final class JvmOptions {
    /** Agrona's access to memory. */
    private static final String NEEDED = "jdk.internal.misc";
    /** Chronicle's, for methods that are not used here: without them it warns when it is loaded. */
    private static final List<String> WARNS_WITHOUT_OPENS = List.of("java.lang.reflect", "sun.nio.ch");
    private static final String WARNS_WITHOUT_EXPORTS = "jdk.internal.ref";

    private JvmOptions() {
    }

    /**
     * Refuses a JVM that cannot reach its own memory.
     *
     * @throws BackstepException UNFIT: the message holds the missing options, as one gives them to {@code java}
     */
    public static void require() {
        if (!base().isExported(NEEDED, UnsafeApi.class.getModule())) { // naming the class does not initialise it
            throw new BackstepException(Reason.UNFIT,
                    "this JVM lacks options that backstep needs, please add: " + String.join(" ", missing()));
        }
    }

    private static List<String> missing() {
        Module user = UnsafeApi.class.getModule();
        String name = user.isNamed() ? user.getName() : "ALL-UNNAMED";
        List<String> missing = new ArrayList<>(List.of(option("opens", NEEDED, name)));
        WARNS_WITHOUT_OPENS.stream().filter(packageName -> !base().isOpen(packageName, user))
                .forEach(packageName -> missing.add(option("opens", packageName, name)));
        if (!base().isExported(WARNS_WITHOUT_EXPORTS, user)) {
            missing.add(option("exports", WARNS_WITHOUT_EXPORTS, name));
        }
        return missing;
    }

    private static String option(String what, String packageName, String user) {
        return "--add-" + what + " java.base/" + packageName + "=" + user;
    }

    private static Module base() {
        return Object.class.getModule();
    }
}
