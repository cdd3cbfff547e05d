// SPDX-License-Identifier: Apache-2.0
/** For JUnit 5: tests that are run again with bits flipped. Needs junit-jupiter-api, which the rest does not. */
package io.backstep.junit;
