// SPDX-License-Identifier: Apache-2.0
/** The face for Java programs: choose a target, set a few options, and let it be protected. */
package io.backstep;
