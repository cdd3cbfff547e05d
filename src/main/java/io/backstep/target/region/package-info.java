// SPDX-License-Identifier: Apache-2.0
/**
 * The region target: ranges of this JVM's own off-heap memory, and how the threads that write to them are brought to
 * rest for the moment of a capture.
 */
package io.backstep.target.region;
