// SPDX-License-Identifier: Apache-2.0

/**
 * Which pages to have writable in the coming interval, from which were written in the past ones. Knows no target and no
 * operating system.
 */
package io.backstep.predict;
