// SPDX-License-Identifier: Apache-2.0

/** The parts of the engine, each by itself, beside what it can be compared with. */
package io.backstep.bench.parts;
