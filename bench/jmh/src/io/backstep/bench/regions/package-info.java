// SPDX-License-Identifier: Apache-2.0

/** The benchmarks of protected regions, by JMH: one class per question, each with what it is compared with. */
package io.backstep.bench.regions;
