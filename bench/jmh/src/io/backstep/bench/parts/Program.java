// SPDX-License-Identifier: Apache-2.0
package io.backstep.bench.parts;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;

import io.backstep.core.Capture;
import io.backstep.core.Checkpoint;
import io.backstep.core.ExecutionState;
import io.backstep.core.LongVector;
import io.backstep.core.PageRanges;
import io.backstep.core.PageWrites;
import io.backstep.core.Pages;
import io.backstep.core.PreImages;
import io.backstep.core.TargetEvent;
import io.backstep.store.CheckpointStore;
import io.backstep.sys.Inheritance;
import io.backstep.sys.NativeProcess;
import io.backstep.target.process.ProcessTarget;

/**
 * A protected program that sleeps, with its checkpoints. Its pages are written from outside, with what they hold already: to the
 * kernel that is a write like its own, and exactly so many pages are dirty. One thread makes it, works it and closes it.
 */
final class Program implements AutoCloseable {
    private static final int MIB_PAGES = 256;
    private static final int KEEP = 3;
    private static final long SPARE_FRAMES = 512;
    private static final long LOOK_NS = 20_000_000;

    private final ProcessTarget target;
    private final Deque<ExecutionState> states = new ArrayDeque<>();
    private final CheckpointStore store = new CheckpointStore(8L << 30, states::addLast);
    private final Capture capture = new Capture();
    private final PageRanges written = new PageRanges();
    private final PreImages saved = new PreImages();
    private final PageWrites writes = new PageWrites();
    private final long pages;
    private long nextId = 1;

    Program(int mib) {
        pages = (long) mib * MIB_PAGES;
        target = ProcessTarget.run(List.of(Path.of(System.getProperty("bench.home"), "target/victims/idle").toString(),
                Integer.toString(mib), "100000"), false, Inheritance.NONE);
        target.start();
        target.resume();
        TargetEvent event = new TargetEvent();
        for (int quiet = 0; quiet < KEEP; quiet = store.newest() != null && capture.trackedPages() >= pages ? quiet + 1 : 0) {
            target.await(System.nanoTime() + LOOK_NS, event);
            capture();
            publish();
        }
    }

    int pid() {
        return (int) target.pid();
    }

    /** Sets of its pages. */
    SomePages some(long count) {
        try {
            for (String line : Files.readAllLines(Path.of("/proc", Long.toString(target.pid()), "maps"))) {
                int dash = line.indexOf('-');
                long first = Pages.ofAddress(Long.parseUnsignedLong(line, 0, dash, 16));
                long end = Pages.ofAddress(Long.parseUnsignedLong(line, dash + 1, line.indexOf(' '), 16));
                if (end - first >= pages && line.contains(" rw-p ")) {
                    return new SomePages(first, pages, count);
                }
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        throw new IllegalStateException("the program has no mapping of " + pages + " pages");
    }

    /** Makes pages dirty. */
    void write(LongVector dirty, LongVector content) {
        NativeProcess.measureCopy(pid(), dirty.address(), content.address(), dirty.size(), true);
    }

    void halt() {
        target.halt();
    }

    void resume() {
        target.resume();
    }

    /** What is measured: the pause. */
    long capture() {
        if (capture.state() == null) {
            capture.state(states.isEmpty() ? target.newState() : states.removeLast());
        }
        while (!target.capture(capture)) {
            store.supply(capture.frames(), capture.framesNeeded());
        }
        return capture.pages().size();
    }

    /** Makes the capture a checkpoint, of which the newest are kept, and lays frames ready. */
    void publish() {
        store.publish(capture, nextId++);
        capture.state(null);
        if (store.checkpoints().size() > KEEP) {
            store.drop(store.checkpoints().get(0));
        }
        store.supply(capture.frames(), capture.pages().size() + SPARE_FRAMES);
    }

    /** To the newest checkpoint; the program stands afterwards. */
    long rollback() {
        Checkpoint newest = store.newest();
        target.beginRollback(newest.state(), written, saved);
        writes.clear();
        store.plan(newest, written, saved, writes);
        target.finishRollback(newest.state(), writes);
        store.rolledBack(newest);
        return writes.pages().size();
    }

    @Override
    public void close() {
        target.kill();
        target.await(System.nanoTime(), new TargetEvent());
        target.close();
        store.close();
        capture.close();
    }
}
