// SPDX-License-Identifier: Apache-2.0
package io.backstep.target.vm;

import io.backstep.vm.GuestSetup;

/** The same for a machine whose memory is a shared memfd. */
class VmHeldSharedWritesIT extends VmHeldWritesIT {
    @Override
    GuestSetup setup() {
        return super.setup().sharedMemory();
    }
}
