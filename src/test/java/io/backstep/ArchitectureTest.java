// SPDX-License-Identifier: Apache-2.0
package io.backstep;

import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.Architectures.layeredArchitecture;

import com.tngtech.archunit.core.importer.ImportOption;
import com.tngtech.archunit.junit.AnalyzeClasses;
import com.tngtech.archunit.junit.ArchTest;
import com.tngtech.archunit.lang.ArchRule;

/** The rooms of the house and what each may look at, as docs/design.md tells. */
@AnalyzeClasses(packages = "io.backstep", importOptions = ImportOption.DoNotIncludeTests.class)
class ArchitectureTest {
    @ArchTest
    static final ArchRule shouldLookOnlyWhereTheDesignAllows = layeredArchitecture()
            .consideringOnlyDependenciesInLayers()
            .withOptionalLayers(true)
            .ensureAllClassesAreContainedInArchitecture()
            .layer("face").definedBy("io.backstep")
            .layer("core").definedBy("io.backstep.core..")
            .layer("sys").definedBy("io.backstep.sys..")
            .layer("target.region").definedBy("io.backstep.target.region..")
            .layer("target.process").definedBy("io.backstep.target.process..")
            .layer("target.vm").definedBy("io.backstep.target.vm..")
            .layer("store").definedBy("io.backstep.store..")
            .layer("predict").definedBy("io.backstep.predict..")
            .layer("retain").definedBy("io.backstep.retain..")
            .layer("engine").definedBy("io.backstep.engine..")
            .layer("inject").definedBy("io.backstep.inject..")
            .layer("campaign").definedBy("io.backstep.campaign..")
            .layer("disk").definedBy("io.backstep.disk..")
            .layer("report").definedBy("io.backstep.report..")
            .layer("cli").definedBy("io.backstep.cli..")
            .layer("junit").definedBy("io.backstep.junit..")
            .whereLayer("face").mayOnlyBeAccessedByLayers("cli", "junit")
            .whereLayer("cli").mayNotBeAccessedByAnyLayer()
            .whereLayer("junit").mayNotBeAccessedByAnyLayer()
            .whereLayer("core").mayNotAccessAnyLayer()
            .whereLayer("sys").mayOnlyAccessLayers("core")
            .whereLayer("target.region").mayOnlyAccessLayers("core", "sys")
            .whereLayer("target.process").mayOnlyAccessLayers("core", "sys")
            .whereLayer("target.vm").mayOnlyAccessLayers("core", "sys")
            .whereLayer("store").mayOnlyAccessLayers("core")
            .whereLayer("predict").mayOnlyAccessLayers("core")
            .whereLayer("retain").mayOnlyAccessLayers("core")
            .whereLayer("engine").mayOnlyAccessLayers("core", "store", "predict", "retain")
            .whereLayer("inject").mayOnlyAccessLayers("core")
            .whereLayer("disk").mayOnlyAccessLayers("core", "sys")
            .whereLayer("campaign").mayOnlyAccessLayers("core", "engine", "inject")
            .whereLayer("report").mayOnlyAccessLayers("core", "engine", "campaign", "retain");

    @ArchTest
    static final ArchRule shouldKnowJnaInSysOnly = noClasses()
            .that().resideOutsideOfPackage("io.backstep.sys..")
            .should().dependOnClassesThat().resideInAPackage("com.sun.jna..")
            .allowEmptyShould(true);

    @ArchTest
    static final ArchRule shouldStandOnTheJdkAndAgronaInCore = noClasses()
            .that().resideInAPackage("io.backstep.core..")
            .should().dependOnClassesThat().resideOutsideOfPackages("io.backstep.core..", "java..", "org.agrona..")
            .allowEmptyShould(true);
}
