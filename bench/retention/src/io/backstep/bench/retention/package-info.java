// SPDX-License-Identifier: Apache-2.0

/** Whether simulated errors fare as the closed forms of retention say. */
package io.backstep.bench.retention;
