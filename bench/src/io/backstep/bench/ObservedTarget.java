// SPDX-License-Identifier: Apache-2.0
package io.backstep.bench;

import java.util.Set;

import io.backstep.core.Capture;
import io.backstep.core.ExecutionState;
import io.backstep.core.FaultSurface;
import io.backstep.core.FramePool;
import io.backstep.core.PageRanges;
import io.backstep.core.PageWrites;
import io.backstep.core.PreImages;
import io.backstep.core.Target;
import io.backstep.core.TargetEvent;

/** A target seen through a window: all is passed on. A question overrides what it looks at. */
public class ObservedTarget implements Target {
    private final Target target;

    public ObservedTarget(Target target) {
        this.target = target;
    }

    @Override
    public String kind() {
        return target.kind();
    }

    @Override
    public String name() {
        return target.name();
    }

    @Override
    public long pid() {
        return target.pid();
    }

    @Override
    public void start() {
        target.start();
    }

    @Override
    public ExecutionState newState() {
        return target.newState();
    }

    @Override
    public void await(long deadlineNs, TargetEvent event) {
        target.await(deadlineNs, event);
    }

    @Override
    public void wake() {
        target.wake();
    }

    @Override
    public void halt() {
        target.halt();
    }

    @Override
    public void resume() {
        target.resume();
    }

    @Override
    public void resumeIntoError() {
        target.resumeIntoError();
    }

    @Override
    public boolean capture(Capture capture) {
        return target.capture(capture);
    }

    @Override
    public void abandonCapture() {
        target.abandonCapture();
    }

    @Override
    public void lookBack(PageRanges written, PreImages saved) {
        target.lookBack(written, saved);
    }

    @Override
    public void beginRollback(ExecutionState state, PageRanges written, PreImages saved) {
        target.beginRollback(state, written, saved);
    }

    @Override
    public FramePool pool() {
        return target.pool();
    }

    @Override
    public void finishRollback(ExecutionState state, PageWrites writes) {
        target.finishRollback(state, writes);
    }

    @Override
    public boolean spoiledByRollback(PageRanges written) {
        return target.spoiledByRollback(written);
    }

    @Override
    public void commit(ExecutionState oldestKept) {
        target.commit(oldestKept);
    }

    @Override
    public void stopTracking() {
        target.stopTracking();
    }

    @Override
    public void kill() {
        target.kill();
    }

    @Override
    public FaultSurface faultSurface() {
        return target.faultSurface();
    }

    @Override
    public Set<String> unprotected() {
        return target.unprotected();
    }

    @Override
    public long heldBytes() {
        return target.heldBytes();
    }

    @Override
    public void close() {
        target.close();
    }
}
