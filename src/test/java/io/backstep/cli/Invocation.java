// SPDX-License-Identifier: Apache-2.0
package io.backstep.cli;

import java.io.File;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.ProcessBuilder.Redirect;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** A command that a test is about to start. Standard input is empty, output and error go to files, unless said otherwise. */
final class Invocation {
    private final Sandbox sandbox;
    private final List<String> words;
    private final Map<String, String> environment = new HashMap<>();
    private Redirect in = Redirect.from(new File("/dev/null"));
    private Redirect out;
    private Redirect err;
    private boolean errorIntoOut;
    private Path outPath;

    Invocation(Sandbox sandbox, List<String> words) {
        this.sandbox = sandbox;
        this.words = words;
    }

    Invocation set(String variable, String value) {
        environment.put(variable, value);
        return this;
    }

    Invocation in(Path file) {
        in = Redirect.from(file.toFile());
        return this;
    }

    Invocation pipeIn() {
        in = Redirect.PIPE;
        return this;
    }

    Invocation appendTo(Path file) {
        outPath = file;
        out = Redirect.appendTo(file.toFile());
        return this;
    }

    /** Output to a pipe that the test must read. */
    Invocation pipeOut() {
        out = Redirect.PIPE;
        return this;
    }

    /** Both streams to one place. */
    Invocation errorIntoOut() {
        errorIntoOut = true;
        return this;
    }

    /** The same command as argument of another one. */
    Invocation under(String... wrapper) {
        List<String> all = new ArrayList<>(List.of(wrapper));
        all.addAll(words);
        Invocation wrapped = new Invocation(sandbox, all);
        wrapped.environment.putAll(environment);
        return wrapped;
    }

    Launch start() {
        try {
            Path log = Launch.newFile(sandbox, "log");
            Path errPath = Launch.newFile(sandbox, "err");
            if (out == null) {
                outPath = Launch.newFile(sandbox, "out");
                out = Redirect.to(outPath.toFile());
            }
            if (err == null) {
                err = Redirect.to(errPath.toFile());
            }
            ProcessBuilder builder = new ProcessBuilder(Launch.reaping(log, words));
            builder.directory(sandbox.working().toFile()).redirectInput(in).redirectOutput(out);
            builder.environment().put("XDG_RUNTIME_DIR", sandbox.runtime().toString());
            builder.environment().put("PWD", sandbox.working().toString());
            builder.environment().put("BACKSTEP_JAVA_OPTS", "-Djava.io.tmpdir=" + sandbox.temporary());
            builder.environment().putAll(environment);
            if (errorIntoOut) {
                builder.redirectErrorStream(true);
            } else {
                builder.redirectError(err);
            }
            Launch launch = new Launch(words, builder.start(), log, outPath, errPath);
            sandbox.add(launch);
            return launch;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Starts it and waits until it and all that it left running have ended. */
    Launch toEnd() {
        return start().awaitAll();
    }
}
