// SPDX-License-Identifier: Apache-2.0
/**
 * The loop: capture, publish, retain, detect, roll back, escalate; and what it counted. Works on any target and knows
 * no operating system.
 */
package io.backstep.engine;
