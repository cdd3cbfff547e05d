// SPDX-License-Identifier: Apache-2.0
package io.backstep.bench;

import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.SortedMap;
import java.util.SortedSet;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** Input for real programs, made of files that every system has that can build backstep. The same at each run on one system. */
final class Inputs {
    private static final Path LIBRARIES = Path.of("/usr/lib");
    private static final Path HEADERS = Path.of("/usr/include");
    private static final long LIBRARY_BYTES = 100_000;
    private static final Pattern IDENTIFIER = Pattern.compile("[A-Za-z_][A-Za-z_0-9]{3,}");

    private Inputs() {
    }

    /** Shared libraries, one after the other. */
    static Path libraries(Path work, int bytes) throws IOException {
        Path input = work.resolve("libraries-" + bytes);
        int missing = bytes;
        try (OutputStream out = Files.newOutputStream(input)) {
            for (Path library : filesBelow(LIBRARIES, ".so")) {
                if (missing > 0 && Files.size(library) >= LIBRARY_BYTES) {
                    byte[] content = Files.readAllBytes(library);
                    int part = Math.min(missing, content.length);
                    out.write(content, 0, part);
                    missing -= part;
                }
            }
        }
        if (missing > 0) {
            throw new IOException("too few shared libraries below " + LIBRARIES + " for an input of " + bytes + " bytes");
        }
        return input;
    }

    /** A source file of this project with all that it includes, as the compiler proper gets it. */
    static Path preprocessed(Path source, Path work) throws IOException, InterruptedException {
        Path input = work.resolve(source.getFileName() + ".i");
        int status = new ProcessBuilder("gcc", "-E", source.toString(), "-o", input.toString()).inheritIO().start().waitFor();
        if (status != 0) {
            throw new IOException("gcc cannot preprocess " + source);
        }
        return input;
    }

    /** A C program that tells the identifiers of the system's headers apart, as a scanner generator would write it. */
    static Path recogniser(Path work, int identifiers) throws IOException {
        Path input = work.resolve("recogniser-" + identifiers + ".c");
        SortedSet<String> words = new TreeSet<>();
        for (Path header : filesBelow(HEADERS, ".h")) {
            Matcher matcher = IDENTIFIER.matcher(Files.readString(header, StandardCharsets.ISO_8859_1));
            while (words.size() < identifiers && matcher.find()) {
                words.add(matcher.group());
            }
        }
        if (words.size() < identifiers) {
            throw new IOException("fewer than " + identifiers + " identifiers in the headers below " + HEADERS);
        }
        StringBuilder program = new StringBuilder();
        StringBuilder table = new StringBuilder("int (*const recognisers[256])(const char *) = {\n");
        byInitial(words, 0).forEach((initial, rest) -> {
            program.append("static int from_").append((int) initial).append("(const char *s) {\n");
            branch(program, rest, 1);
            program.append("return -1; }\n");
            table.append('[').append((int) initial).append("] = from_").append((int) initial).append(",\n");
        });
        Files.writeString(input, program.append(table).append("};\n"));
        return input;
    }

    private static void branch(StringBuilder program, SortedSet<String> words, int depth) {
        program.append("switch (s[").append(depth).append("]) {\n");
        byInitial(words, depth).forEach((letter, rest) -> {
            program.append("case ").append((int) letter).append(":\n");
            if (letter == 0) {
                program.append("return ").append(rest.first().hashCode() & Integer.MAX_VALUE).append(";\n");
            } else {
                branch(program, rest, depth + 1);
                program.append("break;\n");
            }
        });
        program.append("}\n");
    }

    private static SortedMap<Character, SortedSet<String>> byInitial(SortedSet<String> words, int depth) {
        return words.stream().collect(Collectors.groupingBy(word -> depth < word.length() ? word.charAt(depth) : 0, TreeMap::new,
                Collectors.toCollection(TreeSet::new)));
    }

    private static List<Path> filesBelow(Path directory, String part) {
        try (Stream<Path> files = Files.find(directory, 8, (path, attributes) -> attributes.isRegularFile()
                && path.getFileName().toString().contains(part))) {
            return files.sorted().toList();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
