// SPDX-License-Identifier: Apache-2.0
/** Fault models and seeded plans, which break a target through its contract. Looks at nothing but core. */
package io.backstep.inject;
