// SPDX-License-Identifier: Apache-2.0

/**
 * Which pages will be written in the coming interval, from which were written in the past ones. Knows no target and no
 * operating system.
 */
package io.backstep.predict;
