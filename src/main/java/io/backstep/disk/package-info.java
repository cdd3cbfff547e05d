// SPDX-License-Identifier: Apache-2.0
/**
 * A guest's disk whose recent writes can be taken back: an image served over NBD, the content that writes replaced
 * since each mark, and the control channel by which marks are set, dropped and rolled back to.
 */
package io.backstep.disk;
