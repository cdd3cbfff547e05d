// SPDX-License-Identifier: Apache-2.0
package io.backstep.disk;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** How an image holds the disk's content. */
public enum ImageFormat {
    /** As it is. */
    RAW {
        @Override
        Image open(Path path, boolean readOnly) {
            return RawImage.open(path, readOnly);
        }
    },
    /** As QEMU's own format does. */
    QCOW2 {
        @Override
        Image open(Path path, boolean readOnly) {
            return QemuImage.open(path, "qcow2", readOnly);
        }
    },
    /** As its beginning tells QEMU. Raw is not guessed: a guest can write whatever beginning it likes. */
    AUTO {
        @Override
        Image open(Path path, boolean readOnly) {
            String told = ask(path);
            if (told.equals("qcow2")) {
                return QCOW2.open(path, readOnly);
            }
            throw RawImage.unfit(path, told.equals("raw")
                    ? "nothing in it tells its format; if it is a raw image, say --format raw"
                    : "its format is " + told + ", which is not served");
        }
    };

    private static final Pattern TOLD = Pattern.compile("^    \"format\": \"([a-z0-9_-]+)\"", Pattern.MULTILINE);

    /** @throws io.backstep.core.BackstepException it cannot be opened, or is used by others */
    abstract Image open(Path path, boolean readOnly);

    private static String ask(Path path) {
        try {
            if (!Files.isRegularFile(path)) {
                throw RawImage.unfit(path, Files.exists(path) ? "it is not a regular file" : "there is no such file");
            }
            Process process = new ProcessBuilder("qemu-img", "info", "--force-share", "--output=json",
                    path.toAbsolutePath().toString()).redirectErrorStream(true).start();
            process.getOutputStream().close();
            String answer = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
            Matcher matcher = TOLD.matcher(answer);
            if (!matcher.find()) {
                throw RawImage.unfit(path, answer.trim());
            }
            return matcher.group(1);
        } catch (IOException e) {
            throw RawImage.unfit(path, "cannot ask for its format: " + e.getMessage());
        }
    }
}
