// SPDX-License-Identifier: Apache-2.0
/**
 * The process target: an unmodified Linux process, with its memory, mappings, threads' registers, files and held
 * output. What the kernel keeps beyond that is named to the user, not restored.
 */
package io.backstep.target.process;
