// SPDX-License-Identifier: Apache-2.0
/**
 * The native library for the rest of backstep: the binding of {@code native/include/backstep.h}, its codes as
 * exceptions, and what this host can do. The only room that knows JNA.
 */
package io.backstep.sys;
