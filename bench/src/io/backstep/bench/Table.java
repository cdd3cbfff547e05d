// SPDX-License-Identifier: Apache-2.0
package io.backstep.bench;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/** One question's answer: lines of cells, each graded against a bound or not, and remarks below. */
public final class Table {
    /** How a line stands to its bound. */
    public enum Grade {
        MET("met"), NOT_MET("NOT met"), NONE("");

        private final String text;

        Grade(String text) {
            this.text = text;
        }

        public static Grade atMost(double figure, double bound) {
            return figure <= bound ? MET : NOT_MET;
        }
    }

    private record Line(Grade grade, List<String> cells) {
    }

    private final String question;
    private final List<String> head;
    private final List<Line> lines = new ArrayList<>();
    private final List<String> remarks = new ArrayList<>();

    public Table(String question, String... head) {
        this.question = question;
        this.head = withGrade(List.of(head), "");
    }

    public void add(Grade grade, String... cells) {
        lines.add(new Line(grade, withGrade(List.of(cells), grade.text)));
    }

    public void remark(String format, Object... arguments) {
        remarks.add(text(format, arguments));
    }

    /** As String.format, the same in every country. */
    public static String text(String format, Object... arguments) {
        return String.format(Locale.ROOT, format, arguments);
    }

    private static List<String> withGrade(List<String> cells, String grade) {
        List<String> all = new ArrayList<>(cells);
        all.add(grade);
        return all;
    }

    int count(Grade grade) {
        return (int) lines.stream().filter(line -> line.grade == grade).count();
    }

    /** The lines of a grade, in short: for the summary. */
    public List<String> named(Grade grade) {
        return lines.stream().filter(line -> line.grade == grade).map(line -> question + ": " + line.cells.get(0)).toList();
    }

    @Override
    public String toString() {
        int[] widths = new int[head.size()];
        widen(widths, head);
        lines.forEach(line -> widen(widths, line.cells));
        StringBuilder text = new StringBuilder("\n== ").append(question).append('\n');
        print(text, widths, head);
        lines.forEach(line -> print(text, widths, line.cells));
        remarks.forEach(remark -> text.append("   ").append(remark).append('\n'));
        return text.toString();
    }

    private static void widen(int[] widths, List<String> cells) {
        for (int i = 0; i < cells.size(); i++) {
            widths[i] = Math.max(widths[i], cells.get(i).length());
        }
    }

    private static void print(StringBuilder text, int[] widths, List<String> cells) {
        StringBuilder line = new StringBuilder();
        for (int i = 0; i < cells.size(); i++) {
            line.append("  ").append(cells.get(i)).append(" ".repeat(widths[i] - cells.get(i).length()));
        }
        text.append(line.toString().stripTrailing()).append('\n');
    }
}
