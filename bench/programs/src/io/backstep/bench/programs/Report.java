// SPDX-License-Identifier: Apache-2.0
package io.backstep.bench.programs;

import java.io.IOException;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;

/** What a JSON report of {@code backstep run} says, by path, such as {@code pause_us.p99}. Arrays are left out. */
final class Report {
    private final Map<String, String> values = new HashMap<>();

    private Report() {
    }

    static Report read(Path file) throws IOException {
        Report report = new Report();
        try (JsonParser json = new JsonFactory().createParser(file.toFile())) {
            json.nextToken();
            report.readObject(json, "");
        }
        return report;
    }

    private void readObject(JsonParser json, String prefix) throws IOException {
        while (json.nextToken() != JsonToken.END_OBJECT) {
            String path = prefix + json.currentName();
            switch (json.nextToken()) {
                case START_OBJECT -> readObject(json, path + ".");
                case START_ARRAY -> json.skipChildren();
                case VALUE_NULL -> { }
                default -> values.put(path, json.getText());
            }
        }
    }

    /** Null when it is unknown. */
    String text(String path) {
        return values.get(path);
    }

    /** NaN when it is unknown. */
    double number(String path) {
        return Double.parseDouble(values.getOrDefault(path, "NaN"));
    }
}
