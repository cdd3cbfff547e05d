// SPDX-License-Identifier: Apache-2.0
/** The program: {@link io.backstep.cli.Main} and one class per command. */
package io.backstep.cli;
