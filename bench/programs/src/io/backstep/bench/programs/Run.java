// SPDX-License-Identifier: Apache-2.0
package io.backstep.bench.programs;

/**
 * One run of a program.
 *
 * @param processorMs user and system time of the program, none of backstep's
 * @param pausedMs    for how long it stood still for captures
 * @param wallMs      since its start; under protection, since that began
 * @param output      digest of what it wrote
 * @param report      null for an undisturbed run
 */
record Run(double processorMs, double pausedMs, double wallMs, String output, Report report) {
    /** The time that is compared, since other programs on the machine disturb it least. */
    double ownMs() {
        return processorMs + pausedMs;
    }
}
