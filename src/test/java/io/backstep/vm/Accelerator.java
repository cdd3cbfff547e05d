// SPDX-License-Identifier: Apache-2.0
package io.backstep.vm;

import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Locale;

/**
 * What runs a guest's instructions: QEMU itself (tcg), unless {@code -Dbackstep.accel=kvm} asks for the kernel. That is not
 * everywhere able to boot a guest, so it is tried once.
 */
enum Accelerator {
    TCG("tcg", "max"),
    KVM("kvm", "host");

    private static final Duration TRIAL = Duration.ofSeconds(20);

    private static String whyNoKvm;

    private final String option;
    private final String cpu;

    Accelerator(String option, String cpu) {
        this.option = option;
        this.cpu = cpu;
    }

    String option() {
        return option;
    }

    /** The processor that the guest sees. */
    String cpu() {
        return cpu;
    }

    /** What the property asks for; anything but the two names is a mistake. */
    static Accelerator chosen() {
        return valueOf(System.getProperty("backstep.accel", "tcg").toUpperCase(Locale.ROOT));
    }

    /** Why it cannot be used here, or an empty text. */
    String whyNot() {
        return this == TCG ? "" : kvmTrial();
    }

    private static synchronized String kvmTrial() {
        if (whyNoKvm == null) {
            whyNoKvm = tryKvm();
        }
        return whyNoKvm;
    }

    private static String tryKvm() {
        Path device = Path.of("/dev/kvm");
        if (!Files.isReadable(device) || !Files.isWritable(device)) {
            return device + (Files.exists(device) ? " is not for this user" : " is not there");
        }
        try (GuestVm guest = GuestVm.setup().accelerator(KVM).startTrial()) {
            guest.awaitUp(TRIAL);
            return "";
        } catch (AssertionError e) {
            return "a guest does not boot under KVM: " + e.getMessage().lines().findFirst().orElse("");
        }
    }
}
