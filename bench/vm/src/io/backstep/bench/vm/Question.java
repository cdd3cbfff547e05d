// SPDX-License-Identifier: Apache-2.0
package io.backstep.bench.vm;

import java.io.IOException;

import io.backstep.bench.Table;

/** One question about protected machines. */
interface Question {
    Table answer(Bed bed) throws IOException;
}
