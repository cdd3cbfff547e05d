// SPDX-License-Identifier: Apache-2.0

/** What protection costs twelve real programs, by discipline, predictor and interval. */
package io.backstep.bench.programs;
