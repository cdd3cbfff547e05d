// SPDX-License-Identifier: Apache-2.0
package io.backstep.cli;

import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;

/** One JSON object as a tree that a test can look into by dotted paths: {@code pause_us.max}. */
public final class Json {
    private final Object value;

    private Json(Object value) {
        this.value = value;
    }

    /** The only object in a text. */
    public static Json parse(String text) {
        try (JsonParser json = new JsonFactory().createParser(text)) {
            json.nextToken();
            Json parsed = new Json(read(json));
            if (json.nextToken() != null) {
                throw new AssertionError("more than one value: " + text);
            }
            return parsed;
        } catch (IOException e) {
            throw new AssertionError("no JSON: " + text, e);
        }
    }

    private static Object read(JsonParser json) throws IOException {
        switch (json.currentToken()) {
            case START_OBJECT:
                Map<String, Object> fields = new LinkedHashMap<>();
                for (String name = json.nextFieldName(); name != null; name = json.nextFieldName()) {
                    json.nextToken();
                    fields.put(name, read(json));
                }
                return fields;
            case START_ARRAY:
                List<Object> values = new ArrayList<>();
                while (json.nextToken() != JsonToken.END_ARRAY) {
                    values.add(read(json));
                }
                return values;
            case VALUE_NULL:
                return null;
            case VALUE_TRUE, VALUE_FALSE:
                return json.getBooleanValue();
            case VALUE_NUMBER_INT, VALUE_NUMBER_FLOAT:
                return json.getNumberValue();
            default:
                return json.getText();
        }
    }

    /** Does the object itself have this field? */
    public boolean has(String key) {
        return value instanceof Map<?, ?> fields && fields.containsKey(key);
    }

    /** What is at a path; it must be there, but may be null. */
    public Object at(String path) {
        Object found = value;
        for (String key : path.split("\\.")) {
            if (!(found instanceof Map<?, ?> fields) || !fields.containsKey(key)) {
                throw new AssertionError("no " + path + " in " + value);
            }
            found = fields.get(key);
        }
        return found;
    }

    /** The number at a path. */
    public double number(String path) {
        if (at(path) instanceof Number number) {
            return number.doubleValue();
        }
        throw new AssertionError(path + " is no number in " + value);
    }

    /** The text at a path, or null. */
    public String text(String path) {
        return (String) at(path);
    }

    /** The list at a path. */
    public List<Json> list(String path) {
        if (at(path) instanceof List<?> values) {
            return values.stream().map(element -> new Json(element)).toList();
        }
        throw new AssertionError(path + " is no list in " + value);
    }

    @Override
    public String toString() {
        return String.valueOf(value);
    }
}
