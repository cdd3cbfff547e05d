// SPDX-License-Identifier: Apache-2.0
package io.backstep.bench.jmh;

import java.util.List;

import io.backstep.bench.Table;

/** Something that a few runs answer by one table. */
public interface Question {
    List<Run> runs(boolean quick);

    Table answer(Figures figures, boolean quick);
}
