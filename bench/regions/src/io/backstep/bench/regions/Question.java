// SPDX-License-Identifier: Apache-2.0
package io.backstep.bench.regions;

import java.util.List;

import io.backstep.bench.Table;

/** Something that a few runs answer by one table. */
interface Question {
    List<Run> runs(boolean quick);

    Table answer(Figures figures, boolean quick);
}
