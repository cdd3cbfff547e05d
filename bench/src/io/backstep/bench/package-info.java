// SPDX-License-Identifier: Apache-2.0

/** The benchmarks: one class per question, each with a baseline measured beside it in the same run. */
package io.backstep.bench;
