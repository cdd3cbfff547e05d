// SPDX-License-Identifier: Apache-2.0
package io.backstep.bench;

import java.util.List;

import io.backstep.core.TargetEvent;
import io.backstep.target.process.ProcessTarget;

/**
 * For how long are a program's registers not its own when protection begins? Should backstep be killed in just that time, the program
 * would go on with the wrong ones. It is one system call and one close, made by the program on our behalf.
 */
final class InjectionWindow implements Question {
    private static final int STARTS = 30;

    @Override
    public Table answer(Setting setting) {
        Sample started = new Sample();
        Sample found = new Sample();
        try (ProtectedRun other = new ProtectedRun(setting.victim("idle", 1, 100_000), Setting.INTERVAL_NS, target -> target)) {
            // The program to attach to is a child of ours that is let go of each time.
            long pid = other.engine().record("").target().pid();
            other.engine().requestDetach();
            other.engine().doWork();
            for (int i = 0; i < STARTS; i++) {
                try (ProcessTarget target = ProtectedRun.start(List.of("true"))) {
                    started.add(interruptedUs(target));
                    end(target);
                }
                try (ProcessTarget target = ProcessTarget.attach((int) pid)) {
                    found.add(interruptedUs(target));
                }
            }
            try (ProcessTarget target = ProcessTarget.attach((int) pid)) {
                end(target);
            }
        }
        Table table = new Table("registers not the program's own, once at the start (us)", "how", "p50", "quartiles", "max", "starts");
        addLine(table, "run", started);
        addLine(table, "attach", found);
        return table;
    }

    private static double interruptedUs(ProcessTarget target) {
        target.start();
        return target.interruptedNs() / 1e3;
    }

    private static void end(ProcessTarget target) {
        target.kill();
        target.await(System.nanoTime(), new TargetEvent());
    }

    private static void addLine(Table table, String how, Sample us) {
        table.add(Table.Grade.NONE, how, Table.text("%.0f", us.median()),
                Table.text("%.0f..%.0f", us.lowerQuartile(), us.upperQuartile()), Table.text("%.0f", us.maximum()),
                Integer.toString(us.size()));
    }
}
