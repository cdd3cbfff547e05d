// SPDX-License-Identifier: Apache-2.0
package io.backstep.cli;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.StringJoiner;

/** A control socket's reply for people: one field per line, one line per element of a list of objects. */
final class ReplyText {
    private static final String GAP = "  ";

    private ReplyText() {
    }

    /** Lines, each with its end. A reply that says no more than ok is "done". */
    static String render(Map<String, Object> reply) {
        List<String[]> rows = new ArrayList<>();
        for (Map.Entry<String, Object> field : reply.entrySet()) {
            if (!field.getKey().equals("ok") && !field.getKey().equals("id")) {
                addRows(rows, field.getKey(), field.getValue());
            }
        }
        if (rows.isEmpty()) {
            return "done\n";
        }
        int width = rows.stream().mapToInt(row -> row[0].length()).max().orElse(0);
        StringBuilder text = new StringBuilder();
        for (String[] row : rows) {
            text.append(row[0]).append(" ".repeat(width - row[0].length())).append(GAP).append(row[1]).append('\n');
        }
        return text.toString();
    }

    private static void addRows(List<String[]> rows, String name, Object value) {
        if (value instanceof List<?> list && !list.isEmpty() && list.get(0) instanceof Map) {
            for (Object element : list) {
                addRows(rows, name, element);
            }
            return;
        }
        rows.add(new String[] {plain(name), text(value)});
    }

    private static String text(Object value) {
        if (value == null) {
            return "-";
        }
        if (value instanceof Map<?, ?> map) {
            StringJoiner fields = new StringJoiner(GAP);
            map.forEach((name, field) -> fields.add(plain(name) + " " + text(field)));
            return fields.toString();
        }
        if (value instanceof List<?> list) {
            StringJoiner elements = new StringJoiner(", ");
            list.forEach(element -> elements.add(text(element)));
            return list.isEmpty() ? "none" : elements.toString();
        }
        return plain(value);
    }

    /** Without control characters: a terminal shall not obey what a program calls itself. */
    static String plain(Object value) {
        StringBuilder text = new StringBuilder();
        String.valueOf(value).codePoints().map(c -> Character.isISOControl(c) ? '?' : c).forEach(text::appendCodePoint);
        return text.toString();
    }
}
