// SPDX-License-Identifier: Apache-2.0
package io.backstep.target.vm;

import io.backstep.vm.GuestSetup;

/** The same for a QEMU that does not see our files: each step of a pause is a command. */
class VmOwnMountsIT extends VmContractIT {
    @Override
    GuestSetup setup() {
        return super.setup().ownMounts();
    }
}
