// SPDX-License-Identifier: Apache-2.0
package io.backstep.cli;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalLong;
import java.util.SplittableRandom;

import io.backstep.cli.ControlProtocol.Line;
import io.backstep.cli.ControlRequest.Command;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

class ControlProtocolTest {
    private static final List<String> GOOD_LINES = List.of(
            "{\"command\":\"status\"}",
            "{\"command\":\"rollback\",\"to\":17,\"id\":\"a\"}",
            "{\"id\":-3,\"command\":\"detach\"}");

    @ParameterizedTest
    @EnumSource
    void shouldReadEveryCommand(Command command) {
        Line line = parse("{\"command\":\"" + command.key() + "\"}");

        assertNull(line.error());
        assertEquals(new ControlRequest(command, OptionalLong.empty()), line.request());
    }

    @Test
    void shouldReadWhatItWrites() {
        ControlRequest request = new ControlRequest(Command.ROLLBACK, OptionalLong.of(Long.MAX_VALUE));

        assertEquals(request, parse(ControlProtocol.request(request)).request());
    }

    @Test
    void shouldForgiveBlanksAndACarriageReturn() {
        Line line = parse(" {\"id\" : 7, \"to\" :17 , \"command\": \"rollback\" }\t\r");

        assertEquals(7L, line.id());
        assertEquals(new ControlRequest(Command.ROLLBACK, OptionalLong.of(17)), line.request());
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '`', value = {
        "`` | the line is not a JSON object",
        "[] | the line is not a JSON object",
        "17 | the line is not a JSON object",
        "{} | \"command\" is missing",
        "{\"command\":\"status\"}{} | there is more than one JSON value on the line",
        "{\"command\":\"STATUS\"} | unknown command \"STATUS\"; known are status, checkpoint, rollback, detach",
        "{\"command\":null} | \"command\" must be a string",
        "{\"command\":[\"status\"]} | \"command\" must be a string",
        "{\"command\":\"status\",\"too\":1} | unknown key \"too\"; known are command, to, id",
        "{\"x\":{\"command\":\"status\"}} | unknown key \"x\"; known are command, to, id",
        "{\"command\":\"status\",\"to\":1} | \"to\" goes with rollback only, not with status",
        "{\"command\":\"rollback\",\"to\":-1} | \"to\" must be the number of a checkpoint",
        "{\"command\":\"rollback\",\"to\":1.0} | \"to\" must be the number of a checkpoint",
        "{\"command\":\"rollback\",\"to\":\"1\"} | \"to\" must be the number of a checkpoint",
        "{\"command\":\"rollback\",\"to\":9223372036854775808} | \"to\" must be the number of a checkpoint",
        "{\"command\":\"status\",\"id\":{}} | \"id\" must be a string or a whole number",
        "{\"command\":\"status\",\"id\":null} | \"id\" must be a string or a whole number"
    })
    void shouldSayWhatIsWrong(String text, String error) {
        Line line = parse(text);

        assertNull(line.request());
        assertEquals(error, line.error());
    }

    @ParameterizedTest
    @ValueSource(strings = {"{", "{\"command\":\"status\"", "{'command':'status'}", "{\"command\":\"status\",}",
        "status", "\0", "{\"command\":\"status\",\"command\":\"detach\"}", "{\"command\":\"status\"} x"})
    void shouldRefuseWhatIsNotJson(String text) {
        assertTrue(parse(text).error().startsWith("the line is not valid JSON: "), parse(text).error());
    }

    @Test
    void shouldRefuseWhatIsNotUtf8() {
        assertEquals("the line is not UTF-8", ControlProtocol.parse(new byte[] {'"', (byte) 0xc3, '"'}).error());
    }

    @Test
    void shouldRepeatTheIdOfARequestThatIsRefused() {
        Line line = parse("{\"command\":\"jump\",\"id\":\"b\"}");

        assertEquals("b", line.id());
        assertEquals("{\"ok\":false,\"id\":\"b\",\"error\":\"no\"}", ControlProtocol.failure(line.id(), "no"));
    }

    @Test
    void shouldWriteOneAsciiLine() throws IOException {
        String line = ControlProtocol.failure("\ud800\u00e4", "first\nsecond \u2028.\n");

        assertTrue(line.chars().allMatch(c -> c >= ' ' && c < 127), line);
        assertEquals("first second \u2028.", ControlProtocol.parseReply(line).get("error"));
        assertEquals("\ud800\u00e4", ControlProtocol.parseReply(line).get("id"));
    }

    @Test
    void shouldWriteAnAnswerInItsOrder() {
        Map<String, Object> answer = new LinkedHashMap<>();
        answer.put("z", 1.23456);
        answer.put("nothing", null);
        answer.put("never", Double.NaN);
        answer.put("list", List.of(1, 2L, Map.of("k", true)));
        answer.put("ok", "not yours");

        assertEquals("{\"ok\":true,\"id\":5,\"z\":1.235,\"nothing\":null,\"never\":null,\"list\":[1,2,{\"k\":true}]}",
                ControlProtocol.success(5L, answer));
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "[]", "{}", "{\"ok\":1}", "{\"ok\":true", "{\"ok\":true}{}", "{\"ok\":true,\"a\":[}"})
    void shouldNotTakeAnythingForAReply(String text) {
        assertThrows(IOException.class, () -> ControlProtocol.parseReply(text));
    }

    @Test
    void shouldAnswerGarbageWithAnError() throws IOException {
        long seed = Long.getLong("backstep.seed", System.nanoTime());
        SplittableRandom random = new SplittableRandom(seed);
        for (int round = 0; round < 20_000; round++) {
            byte[] bytes = garbage(random);
            String story = "round " + round + ", replay with -Dbackstep.seed=" + seed;
            try {
                Line line = ControlProtocol.parse(bytes);
                assertTrue(line.request() == null ^ line.error() == null, story);
                if (line.error() != null) {
                    String reply = ControlProtocol.failure(line.id(), line.error());
                    assertEquals(line.id(), widened(ControlProtocol.parseReply(reply).get("id")), story);
                } else {
                    assertNotNull(line.request().command(), story);
                }
            } catch (RuntimeException e) {
                throw new AssertionError(story, e);
            }
        }
    }

    private static Object widened(Object id) {
        return id instanceof Number number ? (Object) number.longValue() : id;
    }

    /** A good line with some bytes changed, doubled or left out. */
    private static byte[] garbage(SplittableRandom random) {
        List<Byte> bytes = new ArrayList<>();
        for (byte b : GOOD_LINES.get(random.nextInt(GOOD_LINES.size())).getBytes(UTF_8)) {
            bytes.add(b);
        }
        for (int changes = random.nextInt(5); changes >= 0; changes--) {
            int at = random.nextInt(bytes.size());
            switch (random.nextInt(4)) {
                case 0 -> bytes.set(at, (byte) random.nextInt(256));
                case 1 -> bytes.add(at, bytes.get(random.nextInt(bytes.size())));
                case 2 -> bytes.add(at, (byte) "{}[]\",:\\0".charAt(random.nextInt(9)));
                default -> {
                    if (bytes.size() > 1) {
                        bytes.remove(at);
                    }
                }
            }
        }
        byte[] line = new byte[bytes.size()];
        for (int i = 0; i < line.length; i++) {
            line[i] = bytes.get(i);
        }
        return line;
    }

    private static Line parse(String text) {
        return ControlProtocol.parse(text.getBytes(UTF_8));
    }
}
