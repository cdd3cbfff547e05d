// SPDX-License-Identifier: Apache-2.0
package io.backstep;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.TimeUnit;

import io.backstep.core.BackstepException;
import io.backstep.target.process.Victim;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Who uses the library with too few options for the JVM is told which. */
@Timeout(120)
class JvmOptionsTest {
    private static final String LACKS = "this JVM lacks options that backstep needs, please add: ";
    private static final String NEEDED = "--add-opens java.base/jdk.internal.misc=ALL-UNNAMED";
    private static final String QUIET = " --add-opens java.base/java.lang.reflect=ALL-UNNAMED"
            + " --add-opens java.base/sun.nio.ch=ALL-UNNAMED"
            + " --add-exports java.base/jdk.internal.ref=ALL-UNNAMED";

    @BeforeAll
    static void assumeProtection() {
        Victim.assumeProtection();
    }

    /** What a user's JVM runs. */
    static final class User {
        public static void main(String[] args) {
            try (Backstep backstep = Backstep.launch(args[0].equals("region")
                    ? new Backstep.Context().region("a", 8192)
                    : new Backstep.Context().program(List.of("/bin/true")))) {
                System.out.print(backstep.target().kind() + " protected");
            } catch (BackstepException e) {
                System.out.print(e.reason() + ": " + e.getMessage());
            }
        }
    }

    /** All that such a JVM prints. */
    private static String userSays(String options, String target) throws IOException, InterruptedException {
        String java = Path.of(System.getProperty("java.home"), "bin", "java").toString();
        List<String> command = new ArrayList<>(List.of(java, "-Xmx32m", "-XX:TieredStopAtLevel=1",
                "--enable-native-access=ALL-UNNAMED", "-XX:+IgnoreUnrecognizedVMOptions",
                "--sun-misc-unsafe-memory-access=allow", "-cp", System.getProperty("java.class.path")));
        Arrays.stream(options.split(" ")).filter(option -> !option.isEmpty()).forEach(command::add);
        command.addAll(List.of(User.class.getName(), target));
        Process user = new ProcessBuilder(command).redirectErrorStream(true).start();
        try {
            String said = new String(user.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
            assertTrue(user.waitFor(60, TimeUnit.SECONDS), "a JVM does not end");
            return said;
        } finally {
            user.destroyForcibly();
        }
    }

    @Test
    void shouldNameMissingOptionsForRegions() throws Exception {
        assertEquals("UNFIT: " + LACKS + NEEDED + QUIET, userSays("", "region"));
    }

    @Test
    void shouldNameMissingOptionsForPrograms() throws Exception {
        assertEquals("UNFIT: " + LACKS + NEEDED, userSays(QUIET, "program"));
    }

    @Test
    void shouldRunWithTheOptionsThatItNames() throws Exception {
        assertEquals("region protected", userSays(NEEDED + QUIET, "region"));
    }

    @Test
    void shouldRunWithTheNeededOptionAlone() throws Exception {
        assertTrue(userSays(NEEDED, "region").endsWith("region protected"));
    }
}
