// SPDX-License-Identifier: Apache-2.0
package io.backstep.target.vm;

import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;

import io.backstep.sys.NativeStandby;

/**
 * What becomes of the machine when this process is killed: another connection to the monitor, which QEMU serves as soon
 * as ours is closed, sets everything back. A machine that stood for a capture goes on; one that was half restored must
 * not, and QEMU ends.
 */
final class Standby implements AutoCloseable {
    private static final char RUNS = 'r';
    private static final char STANDS = 's';
    private static final char HALF_RESTORED = 'h';

    private final NativeStandby shell;

    /**
     * @param untie the commands that set back what else was done to QEMU
     * @param exchange a directory that is to be removed
     */
    Standby(Path monitorSocket, List<Command> untie, Path exchange) {
        shell = new NativeStandby(monitorSocket.toString(), script(untie, exchange));
        runs();
    }

    /** A command of the monitor. */
    record Command(String name, Map<String, Object> arguments) {
        byte[] line() {
            return Json.line(arguments.isEmpty() ? Map.of("execute", name)
                    : Map.of("execute", name, "arguments", arguments));
        }
    }

    private static String script(List<Command> untie, Path exchange) {
        StringBuilder all = new StringBuilder();
        untie.forEach(command -> all.append(say(command.line())));
        return "read x; read -r note <&4; rm -rf -- " + quoted(exchange.toString()) + "; " + say(Json.line(Map.of("execute", "qmp_capabilities")))
                + "if [ \"$note\" = " + HALF_RESTORED + " ]; then " + say(Json.line(Map.of("execute", "quit")))
                + "else " + all + "if [ \"$note\" = " + STANDS + " ]; then "
                + say(Json.line(Map.of("execute", "cont"))) + "fi; fi; "
                + say(Json.line(Map.of("execute", "query-status", "id", "end")))
                + "while read -r line <&3; do case $line in *'\"id\": \"end\"'*) exit;; esac; done";
    }

    private static String say(byte[] line) {
        return "printf '%s\\n' " + quoted(new String(line, StandardCharsets.UTF_8).trim()) + "; ";
    }

    private static String quoted(String text) {
        return "'" + text.replace("'", "'\\''") + "'";
    }

    /** The machine goes its own way. */
    void runs() {
        shell.note(RUNS);
    }

    /** It stands because of us. */
    void stands() {
        shell.note(STANDS);
    }

    /** It must not go on as it is. */
    void halfRestored() {
        shell.note(HALF_RESTORED);
    }

    @Override
    public void close() {
        shell.close();
    }
}
