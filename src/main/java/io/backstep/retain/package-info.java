// SPDX-License-Identifier: Apache-2.0
/**
 * Which checkpoints to keep, and which to try first when an error is noticed, from the error latency; and the planner
 * that compares them. Pure: it is told ages and answers. What the formulas rest on stands in {@code docs/retention.md}.
 */
package io.backstep.retain;
