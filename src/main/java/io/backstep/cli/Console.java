// SPDX-License-Identifier: Apache-2.0
package io.backstep.cli;

import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;

import io.backstep.cli.ProtectionOptions.LogLevel;
import io.backstep.core.Fault;
import io.backstep.engine.DetectionRecord;
import io.backstep.engine.Engine;
import io.backstep.engine.EngineListener;
import io.backstep.engine.RollbackRecord;
import io.backstep.engine.RunRecord;
import io.backstep.report.StatusLine;
import io.backstep.report.Summary;

/** Tells on standard error what happens: a live line on a terminal, events as lines, a summary at the end. */
final class Console implements EngineListener {
    private static final long REDRAW_NS = 200_000_000L;
    private static final int COLUMNS_DEFAULT = 100;

    private final LogLevel level;
    private final boolean isTerminal;
    private final PrintStream out = System.err;
    private boolean lineDrawn;
    private long nextDrawNs;

    Console(LogLevel level) {
        this.level = level;
        isTerminal = leadsToTerminal(2);
    }

    /** Does one of this process's descriptors lead to a terminal? */
    static boolean leadsToTerminal(int descriptor) {
        try {
            String target = Files.readSymbolicLink(Path.of("/proc/self/fd/" + descriptor)).toString();
            return target.startsWith("/dev/pts/") || target.startsWith("/dev/tty") || target.equals("/dev/console");
        } catch (IOException e) {
            return false;
        }
    }

    /** Draws the live line when it is time: on a terminal, or as plain lines for debugging. */
    void tick(Engine engine, long nowNs) {
        boolean wanted = isTerminal ? level.compareTo(LogLevel.info) >= 0 : level == LogLevel.debug;
        if (!wanted || nowNs - nextDrawNs < 0) {
            return;
        }
        nextDrawNs = nowNs + REDRAW_NS;
        String line = StatusLine.render(engine.status(), columns());
        if (isTerminal) {
            out.print(line);
            lineDrawn = true;
        } else {
            out.println(line.substring(1, line.length() - 3)); // without the terminal's control characters
        }
        out.flush();
    }

    private static int columns() {
        String columns = System.getenv("COLUMNS");
        try {
            return columns == null ? COLUMNS_DEFAULT : Integer.parseInt(columns.trim());
        } catch (NumberFormatException e) {
            return COLUMNS_DEFAULT;
        }
    }

    private void clearLine() {
        if (lineDrawn) {
            out.print(StatusLine.CLEAR);
            lineDrawn = false;
        }
    }

    private void say(LogLevel atLeast, String text) {
        if (level.compareTo(atLeast) >= 0) {
            clearLine();
            out.println("backstep: " + text.replace('\n', ' '));
        }
    }

    void error(String text) {
        say(LogLevel.error, text);
    }

    void info(String text) {
        say(LogLevel.info, text);
    }

    void summary(RunRecord run) {
        if (level.compareTo(LogLevel.info) >= 0) {
            clearLine();
            out.print(Summary.render(run));
            out.flush();
        }
    }

    @Override
    public void warning(String text) {
        say(LogLevel.warn, text);
    }

    @Override
    public void coverageChanged(String text) {
        say(LogLevel.warn, text);
    }

    @Override
    public void faultInjected(Fault fault) {
        info("injected: " + fault.model() + ", " + fault.where() + ", seed " + fault.seed());
    }

    @Override
    public void errorDetected(DetectionRecord detection, String detail) {
        info("detected: " + detail);
    }

    @Override
    public void rolledBack(RollbackRecord rollback) {
        if (rollback.outcome() == RollbackRecord.Outcome.RECOVERED) {
            info(String.format(Locale.ROOT,
                    "rolled back to checkpoint %d, %.1f ms old, %d pages in %.1f ms (attempt %d)",
                    rollback.toCheckpoint(), rollback.ageMs(), rollback.pagesWritten(), rollback.durationUs() / 1e3,
                    rollback.attempt()));
        }
    }

    @Override
    public void gaveUp(String error) {
        error("no checkpoint is left to try, the error takes its course: " + error);
    }
}
