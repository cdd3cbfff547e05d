// SPDX-License-Identifier: Apache-2.0
package io.backstep.bench;

/** Something that is measured and answered by one table. */
interface Question {
    Table answer(Setting setting) throws Exception;
}
