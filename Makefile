# The one entry point. `make help` lists the targets.
#
# Variables: CC=gcc|clang  CONFIG=release|debug|asan|ubsan|tsan|cov  JEMALLOC=yes|no
# Everything that is built goes to build/<config>/, or build/clang-<config>/ with clang.

ifeq ($(origin CC),default)
CC := gcc
endif
CONFIG   ?= release
JEMALLOC ?= yes
AR       := ar
SHELL    := /bin/sh
.SUFFIXES:
.DELETE_ON_ERROR:
.DEFAULT_GOAL := all

VERSION := 0.1.0
SONAME  := libtsuga.so.0

# ---- Where and how ------------------------------------------------------------------------------

COMPILER_PREFIX := $(if $(findstring clang,$(notdir $(CC))),clang-)
JEMALLOC_SUFFIX := $(if $(filter no,$(JEMALLOC)),-libc)
BUILD   := build/$(COMPILER_PREFIX)$(CONFIG)$(JEMALLOC_SUFFIX)
MACHINE := $(firstword $(subst -, ,$(shell $(CC) -dumpmachine 2>/dev/null)))

WARNINGS := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wstrict-prototypes \
            -Wmissing-prototypes -Wpointer-arith -Wcast-align -Wundef -Wvla -Werror
CHECKED  := -O1 -g -fno-omit-frame-pointer -DTSUGA_DEBUG -DTSUGA_DEEP_CHECKS

FLAGS_release := -O2 -g
FLAGS_debug   := $(CHECKED)
FLAGS_asan    := $(CHECKED) -fsanitize=address
FLAGS_ubsan   := $(CHECKED) -fsanitize=undefined -fno-sanitize-recover=all
FLAGS_tsan    := $(CHECKED) -fsanitize=thread
FLAGS_cov     := -O0 -g -DTSUGA_DEBUG -DTSUGA_DEEP_CHECKS --coverage
FLAGS         := $(FLAGS_$(CONFIG))
ifeq ($(FLAGS),)
$(error CONFIG=$(CONFIG): known are release debug asan ubsan tsan cov)
endif

CPPFLAGS_ALL := -D_GNU_SOURCE -I. -Iruntime/include $(CPPFLAGS)
CFLAGS_ALL   := -std=c11 $(WARNINGS) $(FLAGS) -fPIC -fvisibility=hidden -pthread $(CFLAGS)
LDFLAGS_ALL  := $(FLAGS) -pthread $(LDFLAGS)
LIBS         := -luring -linih -lm

# AddressSanitizer does not see through mallocx, so sanitizer builds use the C library's allocator.
BACKING := $(if $(filter no,$(JEMALLOC))$(filter asan ubsan tsan,$(CONFIG)),libc,jemalloc)

# Criterion cannot start under ThreadSanitizer.
DRIVER := $(if $(filter tsan,$(CONFIG)),fork,criterion)

# ---- Sources -------------------------------------------------------------------------------------

BACKING_OTHER := $(if $(filter libc,$(BACKING)),jemalloc,libc)
c_in           = $(filter-out %/backing_$(BACKING_OTHER).c,$(wildcard $(addsuffix /*.c,$(1))))
objects        = $(patsubst %,$(BUILD)/obj/%.o,$(basename $(1)))

IOHEAP_SOURCES  := $(call c_in,ioheap runtime/base)
LIBRARY_SOURCES := $(call c_in,runtime executor actor mailbox ioheap runtime/base) \
                   $(wildcard executor/switch_$(MACHINE).S)
SUPPORT_SOURCES := $(filter-out tests/support/driver_%,$(wildcard tests/support/*.c))
TEST_SOURCES    := $(wildcard tests/unit/*/test_*.c tests/model/*.c) $(SUPPORT_SOURCES)
EXAMPLE_SOURCES := $(wildcard examples/*.c)
BENCH_SOURCES   := $(wildcard tests/bench/bench_*.c)
STRESS_SOURCES  := $(wildcard tests/stress/stress_*.c)

EXAMPLES := $(EXAMPLE_SOURCES:%.c=$(BUILD)/%)
BENCHES  := $(BENCH_SOURCES:%.c=$(BUILD)/%)

# ---- Compiling -----------------------------------------------------------------------------------

$(BUILD)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) -MMD -MP -c -o $@ $<

$(BUILD)/obj/%.o: %.S
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) -MMD -MP -c -o $@ $<

-include $(shell find $(BUILD)/obj -name '*.d' 2>/dev/null)

# ---- Programs ------------------------------------------------------------------------------------

TEST_OBJECTS := $(call objects,$(TEST_SOURCES) $(LIBRARY_SOURCES))

$(BUILD)/tests: $(TEST_OBJECTS) $(call objects,tests/support/driver_$(DRIVER).c)
	$(CC) $(LDFLAGS_ALL) -o $@ $^ $(LIBS) $(if $(filter criterion,$(DRIVER)),-lcriterion)

$(BUILD)/tests-fork: $(TEST_OBJECTS) $(call objects,tests/support/driver_fork.c)
	$(CC) $(LDFLAGS_ALL) -o $@ $^ $(LIBS)

.PHONY: run-tests
run-tests: $(BUILD)/tests
	TSUGA_TEST_RESULTS=$(BUILD)/tests.results $(BUILD)/tests

# ---- Targets -------------------------------------------------------------------------------------

.PHONY: all test asan ubsan tsan clean help
all: $(call objects,$(LIBRARY_SOURCES))   ## Build the libraries and the examples

test:                                     ## Run the tests with assertions
	$(MAKE) --no-print-directory CONFIG=debug run-tests

asan ubsan tsan:                          ## Run the tests under a sanitizer
	$(MAKE) --no-print-directory CONFIG=$@ run-tests

clean:                                    ## Remove everything that was built
	rm -rf build compile_commands.json

help:                                     ## List the targets
	@awk -F ':.*## ' '/^[a-z][a-z -]*:.*## / { printf "%-28s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
