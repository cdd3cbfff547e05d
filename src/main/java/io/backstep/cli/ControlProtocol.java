// SPDX-License-Identifier: Apache-2.0
package io.backstep.cli;

import java.io.IOException;
import java.io.StringWriter;
import java.math.BigDecimal;
import java.math.RoundingMode;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalLong;
import java.util.Set;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.core.json.JsonWriteFeature;
import io.backstep.cli.ControlRequest.Command;

/**
 * The language of the control socket: one JSON object per line, as {@code docs/control.md} tells. Reads what clients
 * say strictly and writes ASCII only.
 */
final class ControlProtocol {
    /** The most bytes of a request, without its line end. */
    static final int LINE_LIMIT = 64 * 1024;

    private static final int DECIMALS = 3;
    private static final int QUOTE_LIMIT = 40;
    private static final int MISTAKE_LIMIT = 160;
    private static final Set<String> RESERVED = Set.of("ok", "id", "error");
    private static final JsonFactory FACTORY = JsonFactory.builder()
            .disable(JsonFactory.Feature.CANONICALIZE_FIELD_NAMES)
            .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
            .enable(JsonWriteFeature.ESCAPE_NON_ASCII)
            .build();

    /**
     * A request line as understood.
     *
     * @param id what the reply must repeat: a String, a Long, or null
     * @param request what is asked, or null
     * @param error why the line is refused, or null
     */
    record Line(Object id, ControlRequest request, String error) {
    }

    private ControlProtocol() {
    }

    /** Never fails: what cannot be understood is a line with an error. */
    static Line parse(byte[] bytes) {
        try {
            String text = StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(bytes)).toString();
            return new RequestReader().read(text);
        } catch (CharacterCodingException e) {
            return new Line(null, null, "the line is not UTF-8");
        }
    }

    /** A request as a line without its end. */
    static String request(ControlRequest request) {
        Map<String, Object> fields = new LinkedHashMap<>();
        fields.put("command", request.command().key());
        if (request.to().isPresent()) {
            fields.put("to", request.to().getAsLong());
        }
        return object(fields);
    }

    /** The reply to what was done, as a line without its end. The answer's own "ok", "id" and "error" are left out. */
    static String success(Object id, Map<String, Object> answer) {
        Map<String, Object> fields = begin(true, id);
        for (Map.Entry<String, Object> field : answer.entrySet()) {
            if (!RESERVED.contains(field.getKey())) {
                fields.put(field.getKey(), field.getValue());
            }
        }
        return object(fields);
    }

    /** The reply to what was not done, as a line without its end. */
    static String failure(Object id, String error) {
        Map<String, Object> fields = begin(false, id);
        fields.put("error", oneLine(error));
        return object(fields);
    }

    private static Map<String, Object> begin(boolean ok, Object id) {
        Map<String, Object> fields = new LinkedHashMap<>();
        fields.put("ok", ok);
        if (id != null) {
            fields.put("id", id);
        }
        return fields;
    }

    private static String oneLine(String text) {
        return String.valueOf(text).replace('\r', ' ').replace('\n', ' ').strip();
    }

    /**
     * The fields of a reply.
     *
     * @throws IOException it is not one
     */
    static Map<String, Object> parseReply(String line) throws IOException {
        try (JsonParser json = FACTORY.createParser(line)) {
            if (json.nextToken() == JsonToken.START_OBJECT) {
                Map<String, Object> fields = readObject(json);
                if (fields.get("ok") instanceof Boolean && json.nextToken() == null) {
                    return fields;
                }
            }
        }
        throw new IOException("not a reply: " + quoted(line));
    }

    private static Map<String, Object> readObject(JsonParser json) throws IOException {
        Map<String, Object> fields = new LinkedHashMap<>();
        for (String name = json.nextFieldName(); name != null; name = json.nextFieldName()) {
            json.nextToken();
            fields.put(name, readValue(json));
        }
        return fields;
    }

    private static Object readValue(JsonParser json) throws IOException {
        switch (json.currentToken()) {
            case START_OBJECT:
                return readObject(json);
            case START_ARRAY:
                List<Object> values = new ArrayList<>();
                while (json.nextToken() != JsonToken.END_ARRAY) {
                    values.add(readValue(json));
                }
                return values;
            case VALUE_TRUE:
                return true;
            case VALUE_FALSE:
                return false;
            case VALUE_NULL:
                return null;
            case VALUE_NUMBER_INT, VALUE_NUMBER_FLOAT:
                return json.getNumberValue();
            default:
                return json.getText();
        }
    }

    private static String object(Map<String, Object> fields) {
        StringWriter text = new StringWriter();
        try (JsonGenerator json = FACTORY.createGenerator(text)) {
            writeValue(json, fields);
        } catch (IOException e) {
            throw new IllegalStateException(e);
        }
        return text.toString();
    }

    private static void writeValue(JsonGenerator json, Object value) throws IOException {
        if (value == null) {
            json.writeNull();
        } else if (value instanceof Boolean flag) {
            json.writeBoolean(flag);
        } else if (value instanceof Double || value instanceof Float) {
            writeDecimal(json, ((Number) value).doubleValue());
        } else if (value instanceof Number) {
            json.writeNumber(value.toString());
        } else if (value instanceof Map<?, ?> map) {
            json.writeStartObject();
            for (Map.Entry<?, ?> entry : map.entrySet()) {
                json.writeFieldName(String.valueOf(entry.getKey()));
                writeValue(json, entry.getValue());
            }
            json.writeEndObject();
        } else if (value instanceof Iterable<?> values) {
            json.writeStartArray();
            for (Object element : values) {
                writeValue(json, element);
            }
            json.writeEndArray();
        } else {
            json.writeString(value.toString());
        }
    }

    private static void writeDecimal(JsonGenerator json, double value) throws IOException {
        if (!Double.isFinite(value)) {
            json.writeNull();
            return;
        }
        BigDecimal rounded = BigDecimal.valueOf(value).setScale(DECIMALS, RoundingMode.HALF_UP).stripTrailingZeros();
        json.writeNumber(rounded.toPlainString());
    }

    private static String quoted(String text) {
        return "\"" + shortened(text, QUOTE_LIMIT) + "\"";
    }

    private static String shortened(String text, int limit) {
        return text.length() <= limit ? text : text.substring(0, limit) + "...";
    }

    /** Reads one request. The first mistake is told; reading goes on after it, for the id may come later. */
    private static final class RequestReader {
        private Object id;
        private String commandKey;
        private Long to;
        private String error;

        Line read(String text) {
            try (JsonParser json = FACTORY.createParser(text)) {
                if (json.nextToken() != JsonToken.START_OBJECT) {
                    return new Line(null, null, "the line is not a JSON object");
                }
                for (String name = json.nextFieldName(); name != null; name = json.nextFieldName()) {
                    field(name, json);
                }
                if (json.nextToken() != null) {
                    mistake("there is more than one JSON value on the line");
                }
            } catch (JsonProcessingException e) {
                String mistake = shortened(e.getOriginalMessage(), MISTAKE_LIMIT);
                return new Line(null, null, "the line is not valid JSON: " + mistake);
            } catch (IOException e) {
                throw new IllegalStateException(e);
            }
            return conclude();
        }

        private void field(String name, JsonParser json) throws IOException {
            JsonToken token = json.nextToken();
            switch (name) {
                case "id" -> {
                    if (token == JsonToken.VALUE_STRING) {
                        id = json.getText();
                    } else if (isLong(json)) {
                        id = json.getLongValue();
                    } else {
                        mistake("\"id\" must be a string or a whole number");
                    }
                }
                case "command" -> {
                    if (token == JsonToken.VALUE_STRING) {
                        commandKey = json.getText();
                    } else {
                        mistake("\"command\" must be a string");
                    }
                }
                case "to" -> {
                    if (isLong(json) && json.getLongValue() >= 0) {
                        to = json.getLongValue();
                    } else {
                        mistake("\"to\" must be the number of a checkpoint");
                    }
                }
                default -> mistake("unknown key " + quoted(name) + "; known are command, to, id");
            }
            json.skipChildren();
        }

        private static boolean isLong(JsonParser json) throws IOException {
            return json.currentToken() == JsonToken.VALUE_NUMBER_INT
                    && json.getNumberType() != JsonParser.NumberType.BIG_INTEGER;
        }

        private void mistake(String what) {
            if (error == null) {
                error = what;
            }
        }

        private Line conclude() {
            Command command = Command.of(commandKey);
            if (commandKey == null) {
                mistake("\"command\" is missing");
            } else if (command == null) {
                mistake("unknown command " + quoted(commandKey) + "; known are " + Command.keys());
            } else if (to != null && command != Command.ROLLBACK) {
                mistake("\"to\" goes with rollback only, not with " + command.key());
            }
            if (error != null) {
                return new Line(id, null, error);
            }
            OptionalLong checkpoint = to == null ? OptionalLong.empty() : OptionalLong.of(to);
            return new Line(id, new ControlRequest(command, checkpoint), null);
        }
    }
}
