// SPDX-License-Identifier: Apache-2.0
/**
 * The shared words: what a target is, what a capture hands over, what a checkpoint holds, and sets of pages. Looks at
 * nothing but the JDK and Agrona.
 */
package io.backstep.core;
