// SPDX-License-Identifier: Apache-2.0

/** What protecting a virtual machine costs, and how fast it is put back. */
package io.backstep.bench.vm;
