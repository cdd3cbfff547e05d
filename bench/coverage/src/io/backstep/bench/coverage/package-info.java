// SPDX-License-Identifier: Apache-2.0

/** Whether faults in real programs are covered as often as retention predicts. */
package io.backstep.bench.coverage;
