# SPDX-License-Identifier: Apache-2.0
#
#   make               build target/backstep.jar with all it needs beside it; then ./backstep runs
#   make demo          a short demonstration
#   make test          all tests but the long ones: native, unit, integration
#   make soak          the long tests
#   make guest         the virtual machine that tests protect, in target/guest (fetches Debian's kernel)
#   make bench         the benchmarks
#   make bench-programs what protection costs twelve real programs (installs them)
#   make bench-retention simulates errors and compares with retention's closed forms
#   make bench-coverage injects faults into real programs and compares with the predicted coverage
#   make bench-disk    what serving a guest's disk costs, beside qemu-nbd (installs QEMU's tools)
#   make bench-vm      what protecting a virtual machine costs, and how fast it is put back
#   make bench-parts   the benchmarks of the engine's parts (fetches JMH)
#   make bench-regions the benchmarks of protected regions (fetches JMH)
#   make bench-classes compile all of these, as continuous integration does (fetches JMH)
#   make sanitize      the native library's tests under address and undefined-behaviour sanitizers
#   make install-deps  install the system packages that all this needs (Debian, as root)
#   make clean         remove target/

# Maven says no more than warnings and errors, and when it runs tests what these say. It is no part of our own make.
LEVEL := -Dorg.slf4j.simpleLogger
MVN := env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL mvn --batch-mode --no-transfer-progress $(LEVEL).defaultLogLevel=warn
MVN_TEST := $(MVN) $(LEVEL).log.org.apache.maven.plugin.surefire=info $(LEVEL).log.org.apache.maven.plugin.failsafe=info

NATIVE := -s -C native BUILD=$(CURDIR)/target/native

# Written when a build has succeeded; dated when it began, so that an edit during the build counts.
BUILT := target/.built
BEGIN = @mkdir -p target && touch target/.began
END = @mv target/.began $(BUILT)

# With the directories, so that a removed file counts too.
SOURCES := pom.xml LICENSE $(shell find src/main native -path native/test -prune -o -print)

# What tests start in QEMU; the disk image is made last.
GUEST := target/guest/disk.img
GUEST_SOURCES := $(shell find src/test/guest) native/test/victims/victim.h

.PHONY: all demo test soak guest bench bench-programs bench-retention bench-coverage bench-disk bench-vm
.PHONY: bench-parts bench-regions bench-classes sanitize clean install-deps guest-deps build-deps
.NOTPARALLEL:

all: $(BUILT)

$(BUILT): $(SOURCES) | build-deps
	$(BEGIN)
	@echo 'building backstep (the first time Maven fetches what it needs)'
	@$(MVN) package -Dmaven.test.skip=true
	$(END)

demo: $(BUILT) install-deps
	@bench/demo.sh

bench: $(BUILT) install-deps
	@bench/run.sh

bench-programs: $(BUILT)
	@.ci/deps build programs
	@bench/programs/run.sh

bench-retention: $(BUILT)
	@bench/retention/run.sh

bench-coverage: $(BUILT) install-deps
	@bench/coverage/run.sh

bench-disk: $(BUILT) install-deps guest-deps
	@bench/disk/run.py

bench-vm: $(BUILT) guest
	@bench/vm/run.sh

bench-parts: $(BUILT) install-deps
	@bench/jmh/run.sh parts

bench-regions: $(BUILT) build-deps
	@bench/jmh/run.sh regions

bench-classes: $(BUILT) build-deps
	@bench/compile

test: install-deps guest
	@$(MAKE) $(NATIVE) check
	$(BEGIN)
	@$(MVN_TEST) verify
	$(END)

soak: install-deps guest
	$(BEGIN)
	@$(MVN_TEST) verify -Dgroups=soak
	$(END)

guest: guest-deps $(GUEST)

$(GUEST): $(GUEST_SOURCES) | guest-deps
	@echo 'making the guest (the first time its kernel is fetched)'
	@src/test/guest/build

sanitize: build-deps
	@$(MAKE) $(NATIVE) sanitize

clean:
	rm -rf target

install-deps:
	@.ci/deps build test

guest-deps:
	@.ci/deps build guest

build-deps:
	@.ci/deps build
