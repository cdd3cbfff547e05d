// SPDX-License-Identifier: Apache-2.0
package io.backstep.target.process;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.Charset;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * The arguments of a program as bytes. The virtual machine decodes its own arguments by the locale and loses what does not fit
 * it, so arguments that came on this process's command line are taken from there as they are.
 */
final class CommandBytes {
    private static final Charset NATIVE = nativeCharset();

    private CommandBytes() {
    }

    /** The arguments in their order, each with its zero byte. */
    static byte[] of(List<String> command) {
        ByteArrayOutputStream block = new ByteArrayOutputStream();
        List<byte[]> raw = lastOfOwnCommandLine(command.size());
        boolean same = raw.size() == command.size();
        for (int i = 0; same && i < raw.size(); i++) {
            same = new String(raw.get(i), NATIVE).equals(command.get(i));
        }
        for (int i = 0; i < command.size(); i++) {
            block.writeBytes(same ? raw.get(i) : command.get(i).getBytes(StandardCharsets.UTF_8));
            block.write(0);
        }
        return block.toByteArray();
    }

    private static List<byte[]> lastOfOwnCommandLine(int count) {
        byte[] line;
        try {
            line = Files.readAllBytes(Path.of("/proc/self/cmdline"));
        } catch (IOException e) {
            return List.of();
        }
        List<byte[]> arguments = new ArrayList<>();
        for (int start = 0; start < line.length;) {
            int end = start;
            while (end < line.length && line[end] != 0) {
                end++;
            }
            arguments.add(Arrays.copyOfRange(line, start, end));
            start = end + 1;
        }
        return arguments.size() < count ? List.of() : arguments.subList(arguments.size() - count, arguments.size());
    }

    private static Charset nativeCharset() {
        String name = System.getProperty("sun.jnu.encoding");
        return name != null && Charset.isSupported(name) ? Charset.forName(name) : StandardCharsets.UTF_8;
    }
}
