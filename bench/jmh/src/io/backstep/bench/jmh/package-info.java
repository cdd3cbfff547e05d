// SPDX-License-Identifier: Apache-2.0

/** Questions that are answered by JMH, in rounds: how the runs are made, and what came of them. */
package io.backstep.bench.jmh;
