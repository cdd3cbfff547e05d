// SPDX-License-Identifier: Apache-2.0
package io.backstep.bench.programs;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.regex.Pattern;

/** Reads a program's output as it comes, on a thread of its own, and keeps its digest. */
final class Output {
    private static final int BUFFER_BYTES = 1 << 16;

    private final FutureTask<String> digest;

    /** @param notCompared lines that do not count, or null: then every byte does */
    Output(InputStream output, Pattern notCompared) {
        digest = new FutureTask<>(() -> digest(output, notCompared));
        new Thread(digest, "output").start();
    }

    /** Waits for its end, for so long at most. */
    String digest(long limitMs) throws InterruptedException, TimeoutException {
        try {
            return digest.get(limitMs, TimeUnit.MILLISECONDS);
        } catch (ExecutionException e) {
            throw new IllegalStateException(e.getCause());
        }
    }

    private static String digest(InputStream output, Pattern notCompared) throws IOException {
        MessageDigest digest = sha256();
        if (notCompared == null) {
            byte[] buffer = new byte[BUFFER_BYTES];
            for (int count; (count = output.read(buffer)) >= 0;) {
                digest.update(buffer, 0, count);
            }
        } else {
            new BufferedReader(new InputStreamReader(output, StandardCharsets.ISO_8859_1)).lines()
                    .filter(line -> !notCompared.matcher(line).find())
                    .forEach(line -> digest.update((line + "\n").getBytes(StandardCharsets.ISO_8859_1)));
        }
        return HexFormat.of().formatHex(digest.digest());
    }

    private static MessageDigest sha256() {
        try {
            return MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException(e);
        }
    }
}
