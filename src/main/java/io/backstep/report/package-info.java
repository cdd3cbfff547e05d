// SPDX-License-Identifier: Apache-2.0
/**
 * Prints records: to JSON for machines, to text for people. Looks at the records of engine and campaign, and never
 * decides.
 */
package io.backstep.report;
