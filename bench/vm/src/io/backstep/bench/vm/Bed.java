// SPDX-License-Identifier: Apache-2.0
package io.backstep.bench.vm;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;

import io.backstep.bench.Table;
import io.backstep.core.Discipline;

/**
 * What all questions have in common.
 *
 * @param home of this project
 * @param images of the guest
 * @param memory a directory in memory
 * @param machines what the names of machines must contain
 * @param qemu the program
 * @param disciplines those that are looked at, beside each other where that is the question
 * @param csv where each figure goes
 */
record Bed(Path home, Path images, Path memory, String qemu, boolean quick, String machines,
        List<Discipline> disciplines, Path csv) {
    /** Adds a line to the figures. */
    void figure(String question, String setting, String what, String unit, double value) {
        try {
            Files.writeString(csv, Table.text("%s,\"%s\",\"%s\",%s,%.4f%n", question, setting, what, unit, value),
                    StandardCharsets.UTF_8, StandardOpenOption.APPEND);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** How often something is done in this form. */
    int times(int inQuickForm, int inFullForm) {
        return quick ? inQuickForm : inFullForm;
    }

    static void sleepMs(long ms) {
        try {
            Thread.sleep(ms);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException("interrupted", e);
        }
    }
}
