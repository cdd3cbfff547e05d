// SPDX-License-Identifier: Apache-2.0
/**
 * The vm target: an unmodified QEMU virtual machine, seen through its monitor (QMP) and the memory of its process. RAM is
 * tracked from outside; virtual processors and devices are saved and loaded by QEMU itself.
 */
package io.backstep.target.vm;
