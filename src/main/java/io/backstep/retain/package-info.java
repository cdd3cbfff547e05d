// SPDX-License-Identifier: Apache-2.0
/** Which checkpoints to keep, and which to try first when an error is noticed. Pure: it is told ages and answers. */
package io.backstep.retain;
