// SPDX-License-Identifier: Apache-2.0
package io.backstep.junit;

import io.backstep.target.region.Region;
import org.agrona.MutableDirectBuffer;
import org.junit.jupiter.api.extension.AfterTestExecutionCallback;
import org.junit.jupiter.api.extension.BeforeEachCallback;
import org.junit.jupiter.api.extension.BeforeTestExecutionCallback;
import org.junit.jupiter.api.extension.ExtensionContext;
import org.junit.jupiter.api.extension.ParameterContext;
import org.junit.jupiter.api.extension.ParameterResolver;
import org.opentest4j.TestAbortedException;

/** One run of a {@link BackstepTest}: undisturbed if there is no flip. */
final class BackstepTestRun
        implements BeforeEachCallback, BeforeTestExecutionCallback, AfterTestExecutionCallback, ParameterResolver {
    private final RepeatedState state;
    private final BitFlip flip;

    BackstepTestRun(RepeatedState state, BitFlip flip) {
        this.state = state;
        this.flip = flip;
    }

    @Override
    public void beforeEach(ExtensionContext context) {
        if (flip != null && !state.isUndisturbedRunWell()) {
            throw new TestAbortedException("the undisturbed run did not succeed");
        }
    }

    @Override
    public void beforeTestExecution(ExtensionContext context) {
        if (flip == null) {
            state.take();
        } else {
            state.putBack(flip);
        }
    }

    @Override
    public void afterTestExecution(ExtensionContext context) {
        if (flip == null && context.getExecutionException().isEmpty()) {
            state.undisturbedRunIsWell();
        }
    }

    @Override
    public boolean supportsParameter(ParameterContext parameter, ExtensionContext context) {
        Class<?> type = parameter.getParameter().getType();
        return type == Region.class || type == MutableDirectBuffer.class || type == BitFlip.class;
    }

    @Override
    public Object resolveParameter(ParameterContext parameter, ExtensionContext context) {
        Class<?> type = parameter.getParameter().getType();
        if (type == BitFlip.class) {
            return flip;
        }
        return type == Region.class ? state.region() : state.region().buffer();
    }
}
