// SPDX-License-Identifier: Apache-2.0
package io.backstep.junit;

import java.lang.annotation.Documented;
import java.lang.annotation.ElementType;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;

import org.junit.jupiter.api.TestTemplate;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.parallel.Execution;
import org.junit.jupiter.api.parallel.ExecutionMode;

/**
 * A test that is run once undisturbed and then again and again with bits flipped in the memory that it works on, each
 * time from the state in which the first run found it.
 *
 * <p>The method, and those that are run before and after each test, may take as parameters: the {@link
 * io.backstep.target.region.Region}, an {@link org.agrona.MutableDirectBuffer} over all of it, and the {@link BitFlip},
 * which is null in the undisturbed run. The region is zero at first. Its state is taken after the first run's methods
 * before each test, and put back after those of later runs. When the undisturbed run fails, the others are not tried.
 *
 * <pre>{@code
 * @BackstepTest(runs = 100)
 * void shouldNoticeAnyFlippedBit(MutableDirectBuffer buffer, BitFlip flip) {
 *     assertEquals(flip == null, new Journal(buffer).isSound());
 * }
 * }</pre>
 */
@Target({ElementType.METHOD, ElementType.ANNOTATION_TYPE})
@Retention(RetentionPolicy.RUNTIME)
@Documented
@TestTemplate
@Execution(ExecutionMode.SAME_THREAD)
@ExtendWith(BackstepTestExtension.class)
public @interface BackstepTest {
    /** How often it is run disturbed. */
    int runs() default 10;

    /** What chance starts from; each run has one more. Zero: another one each time. The names of runs tell theirs. */
    long seed() default 0;

    /** How many bits of one word of eight bytes are inverted in each disturbed run. */
    int bits() default 1;

    /** How large the region is, rounded up to whole pages. */
    long regionBytes() default 4096;
}
