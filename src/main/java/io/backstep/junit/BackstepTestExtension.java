// SPDX-License-Identifier: Apache-2.0
package io.backstep.junit;

import java.util.List;
import java.util.concurrent.ThreadLocalRandom;
import java.util.stream.IntStream;
import java.util.stream.Stream;

import org.junit.jupiter.api.extension.Extension;
import org.junit.jupiter.api.extension.ExtensionContext;
import org.junit.jupiter.api.extension.ExtensionContext.Namespace;
import org.junit.jupiter.api.extension.TestTemplateInvocationContext;
import org.junit.jupiter.api.extension.TestTemplateInvocationContextProvider;
import org.junit.platform.commons.support.AnnotationSupport;

/** The runs of a {@link BackstepTest}. */
final class BackstepTestExtension implements TestTemplateInvocationContextProvider {
    @Override
    public boolean supportsTestTemplate(ExtensionContext context) {
        return AnnotationSupport.isAnnotated(context.getRequiredTestMethod(), BackstepTest.class);
    }

    @Override
    public Stream<TestTemplateInvocationContext> provideTestTemplateInvocationContexts(ExtensionContext context) {
        BackstepTest test = AnnotationSupport.findAnnotation(context.getRequiredTestMethod(), BackstepTest.class)
                .orElseThrow();
        if (test.runs() < 0 || test.bits() < 1 || test.bits() > Long.SIZE) {
            throw new IllegalArgumentException(test + ": runs must be 0 or more, bits 1 to " + Long.SIZE);
        }
        RepeatedState state = new RepeatedState(test.regionBytes());
        // JUnit closes what is stored when all runs are over
        context.getStore(Namespace.create(BackstepTestExtension.class)).put(context.getUniqueId(), state);
        long seed = test.seed() == 0 ? 1 + ThreadLocalRandom.current().nextInt(Integer.MAX_VALUE) : test.seed();
        return IntStream.rangeClosed(0, test.runs()).mapToObj(run -> run(run, state, run == 0 ? null
                : BitFlip.of(seed + run - 1, state.region().lengthBytes(), test.bits())));
    }

    private static TestTemplateInvocationContext run(int run, RepeatedState state, BitFlip flip) {
        return new TestTemplateInvocationContext() {
            @Override
            public String getDisplayName(int invocationIndex) {
                return flip == null ? "undisturbed" : "disturbed " + run + ": " + flip;
            }

            @Override
            public List<Extension> getAdditionalExtensions() {
                return List.of(new BackstepTestRun(state, flip));
            }
        };
    }
}
