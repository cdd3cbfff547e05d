// SPDX-License-Identifier: Apache-2.0
package io.backstep.bench.programs;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.ToDoubleFunction;

import io.backstep.bench.Sample;

/** What was measured, and the figures that are made of it. An overhead is a share: 0.01 is one percent. */
final class Results {
    /** A row at an interval. */
    record Way(Row row, int intervalMs) {
    }

    private final List<Program> programs = new ArrayList<>();
    private final Map<Program, Cell> undisturbed = new LinkedHashMap<>();
    private final Map<Program, Map<Way, Cell>> cells = new HashMap<>();
    private final Map<Program, Map<Way, String>> failures = new HashMap<>();

    void addUndisturbed(Program program, Run run) {
        undisturbed.computeIfAbsent(program, key -> new Cell()).add(run);
    }

    void add(Program program, Way way, Run run) {
        cells.computeIfAbsent(program, key -> new HashMap<>()).computeIfAbsent(way, key -> new Cell()).add(run);
    }

    /** A peer cannot run it so; no more runs of this are counted. */
    void addFailure(Program program, Way way, String reason) {
        failures.computeIfAbsent(program, key -> new HashMap<>()).put(way, reason);
    }

    /** Null: there was none. */
    String failure(Program program, Way way) {
        return failures.getOrDefault(program, Map.of()).get(way);
    }

    /** All of this program has been measured. */
    void finish(Program program) {
        programs.add(program);
    }

    List<Program> programs() {
        return programs;
    }

    Cell undisturbed(Program program) {
        return undisturbed.get(program);
    }

    /** Those that ran so, with the output that they have undisturbed or, under backstep, with another. */
    List<Program> programs(Way way) {
        return programs.stream().filter(program -> cell(program, way) != null && failure(program, way) == null)
                .filter(program -> !way.row().isPeer() || sameOutput(program, way)).toList();
    }

    /** Null: it was not run so. */
    Cell cell(Program program, Way way) {
        return cells.getOrDefault(program, Map.of()).get(way);
    }

    /** Did it write under protection what it writes undisturbed? */
    boolean sameOutput(Program program, Way way) {
        String expected = undisturbed(program).digest();
        return undisturbed(program).wrote(expected) && cell(program, way).wrote(expected);
    }

    double overhead(Program program, Way way, ToDoubleFunction<Sample> statistic) {
        return statistic.applyAsDouble(cell(program, way).ownMs())
                / statistic.applyAsDouble(undisturbed(program).ownMs()) - 1;
    }

    /** The figure that is judged. */
    double overhead(Program program, Way way) {
        return overhead(program, way, Sample::lowerQuartile);
    }

    Sample.Interval overheadInterval(Program program, Way way) {
        return less(Sample.ofRatio(cell(program, way).ownMs(), undisturbed(program).ownMs(), Sample::lowerQuartile));
    }

    double wallOverhead(Program program, Way way) {
        Sample undisturbedMs = undisturbed(program).of(Run::wallMs);
        return cell(program, way).of(Run::wallMs).lowerQuartile() / undisturbedMs.lowerQuartile() - 1;
    }

    /**
     * What the predictor saved by its own account, as a share of the undisturbed time: faults less needless copies and
     * beginnings of scans, at their prices.
     */
    double saved(Program program, Way way) {
        double savedMs = cell(program, way).reported("pages.prediction.saved_ms");
        return Double.isNaN(savedMs) ? 0 : savedMs / undisturbed(program).ownMs().lowerQuartile();
    }

    double meanOverhead(Way way) {
        return meanOverhead(programs(way), way);
    }

    private double meanOverhead(List<Program> some, Way way) {
        return some.stream().mapToDouble(program -> overhead(program, way)).average().orElse(Double.NaN);
    }

    /** Its overhead as a multiple of that of another at the same interval; NaN when there is none. */
    double multiple(Program program, Way way, Row other) {
        return multiple(List.of(program), way, other);
    }

    /** The same for the means of those programs that ran both ways. */
    double meanMultiple(Way way, Row other) {
        return multiple(programs(way), way, other);
    }

    private double multiple(List<Program> some, Way way, Row other) {
        Way otherWay = new Way(other, way.intervalMs());
        List<Program> both = some.stream().filter(program -> cell(program, otherWay) != null).toList();
        double under = meanOverhead(both, otherWay);
        return under > 0 ? meanOverhead(both, way) / under : Double.NaN;
    }

    /** How sure the mean is for these programs: their runs are resampled, the programs are not. */
    Sample.Interval meanInterval(Way way) {
        return less(Sample.ofMeanRatio(programs(way).stream().map(program -> cell(program, way).ownMs()).toList(),
                programs(way).stream().map(program -> undisturbed(program).ownMs()).toList(), Sample::lowerQuartile));
    }

    private static Sample.Interval less(Sample.Interval ratio) {
        return new Sample.Interval(ratio.low() - 1, ratio.high() - 1);
    }
}
