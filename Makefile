# The one entry point. `make help` lists the targets.
#
#   CC=gcc|clang    CONFIG=release|debug|asan|ubsan|tsan|cov|fuzz|afl    JEMALLOC=yes|no    V=1
#
# Everything that is built goes to build/<config>/, with clang to build/clang-<config>/.

ifeq ($(origin CC),default)
CC := gcc
endif
CONFIG   ?= release
JEMALLOC ?= yes
AR       := ar
NM       := nm
OBJCOPY  := objcopy
.SUFFIXES:
.DELETE_ON_ERROR:
.DEFAULT_GOAL := all

VERSION    := 0.1.0
SONAME     := libtsuga.so.0
PREFIX     ?= /usr/local
LIBDIR     ?= $(PREFIX)/lib
INCLUDEDIR ?= $(PREFIX)/include
MANDIR     ?= $(PREFIX)/share/man

Q   := $(if $(V),,@)
say  = $(if $(V),,@printf '  %-6s %s\n' $(1) $@)
# A target that needs another CONFIG, or tools that `deps` has just installed, starts make anew.
again = +@$(MAKE) --no-print-directory
# Compiles with all processors. Of its goals one at most may run something: tests beside each other
# would disturb each other.
quickly = $(again) $(if $(filter -j%,$(MAKEFLAGS)),,-j$(shell nproc))

# Where and how.

COMPILER := $(if $(findstring clang,$(notdir $(CC))),clang,gcc)
BUILD_OF  = build/$(if $(filter clang,$(COMPILER)),clang-)$(1)$(if $(filter no,$(JEMALLOC)),-libc)
BUILD    := $(call BUILD_OF,$(CONFIG))
MACHINE  := $(firstword $(subst -, ,$(shell $(CC) -dumpmachine 2>/dev/null)))

WARNINGS := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wstrict-prototypes \
            -Wmissing-prototypes -Wpointer-arith -Wcast-align -Wundef -Wvla -Werror
CHECKS   := -DTSUGA_DEBUG -DTSUGA_DEEP_CHECKS
CHECKED  := -O1 -g -fno-omit-frame-pointer $(CHECKS)

FLAGS_release := -O2 -g
FLAGS_debug   := $(CHECKED)
FLAGS_asan    := $(CHECKED) -fsanitize=address
FLAGS_ubsan   := $(CHECKED) -fsanitize=undefined -fno-sanitize-recover=all
FLAGS_tsan    := $(CHECKED) -fsanitize=thread
FLAGS_cov     := -O0 -g $(CHECKS) --coverage
FLAGS_afl     := $(CHECKED) -fsanitize=address,undefined -fno-sanitize-recover=all
FLAGS_fuzz    := $(FLAGS_afl) -fsanitize=fuzzer-no-link
FLAGS         := $(FLAGS_$(CONFIG))
ifeq ($(FLAGS),)
$(error CONFIG=$(CONFIG): choose release, debug, asan, ubsan, tsan, cov, fuzz or afl)
endif

# gcc clears a struct of 128 bytes with `rep stos`, 24 ns; plain stores take 10.
STORES   := -mmemset-strategy=unrolled_loop:256:noalign,libcall:-1:noalign
CLEARING := $(if $(filter gcc-x86_64,$(COMPILER)-$(MACHINE)),$(STORES))

# The library is optimised as a whole, when it is linked into one object: an operation then takes
# 20 % fewer instructions. The objects keep their plain code, too, for the checks that look at it.
WHOLE := $(if $(filter gcc-release,$(COMPILER)-$(CONFIG)),-flto=auto -ffat-lto-objects \
             --param=max-inline-insns-auto=30)
# In an object that is linked further, gcc would take each name that files share for one that others
# may call. In a shared library that is a whole program only the public ones are.
AS_PROGRAM := -fPIC -flinker-output=dyn -fwhole-program

CPPFLAGS_ALL := -D_GNU_SOURCE -I. -Iruntime/include $(CPPFLAGS)
CFLAGS_ALL   := -std=c11 $(WARNINGS) $(FLAGS) $(CLEARING) -fPIC -fvisibility=hidden -pthread \
                $(CFLAGS)
LDFLAGS_ALL  := $(FLAGS) -pthread $(LDFLAGS)
LIBS         := -luring -linih -lm

# AddressSanitizer does not see into jemalloc: sanitizer builds use the C library's allocator.
BACKING := $(if $(filter no,$(JEMALLOC))$(filter asan ubsan tsan fuzz afl,$(CONFIG)),libc,jemalloc)

# Criterion cannot start under ThreadSanitizer, and ends its tests without writing coverage.
DRIVER := $(if $(filter tsan cov,$(CONFIG)),fork,criterion)

# Sources.

FOLDERS       := runtime runtime/sim executor actor mailbox ioheap runtime/base
PUBLIC_HEADERS := $(wildcard runtime/include/*.h)
OTHER_BACKING := %/backing_$(if $(filter libc,$(BACKING)),jemalloc,libc).c
c_files        = $(filter-out $(OTHER_BACKING),$(wildcard $(addsuffix /*.c,$(1))))
objects        = $(patsubst %,$(BUILD)/obj/%.o,$(basename $(1)))

LIBRARY_SOURCES := $(call c_files,$(FOLDERS)) $(wildcard executor/switch_$(MACHINE).S)
IOHEAP_SOURCES  := $(call c_files,ioheap runtime/base)
TEST_SOURCES    := $(wildcard tests/unit/*/test_*.c tests/model/*.c) \
                   $(filter-out tests/support/driver_%,$(wildcard tests/support/*.c))
EXAMPLE_SOURCES := $(wildcard examples/*.c examples/*/*.c)
BENCH_SOURCES   := $(wildcard tests/bench/bench_*.c)
COUNT_SOURCES   := $(wildcard tests/bench/count_*.c)
BENCH_SUPPORT   := $(wildcard tests/bench/support*.c)
SAVINA_SOURCES  := $(wildcard tests/bench/savina/*.c) tests/bench/support.c
SCALING_SOURCES := $(wildcard tests/bench/scaling/*.c) \
                   $(addprefix tests/bench/support,.c _raw.c _echo.c _connection.c)
LOAD_SOURCES    := tests/bench/httpd/load.c
PEER_SOURCES    := $(wildcard tests/bench/peers/*.c)
STRESS_SOURCES  := $(wildcard tests/stress/stress_*.c)
STRESS_SUPPORT  := $(wildcard tests/stress/support*.c)
FUZZ_SOURCES    := $(wildcard tests/fuzz/fuzz_*.c)
SIM_SOURCES     := $(wildcard tests/sim/*.c)
CHECK_SOURCES   := $(wildcard tests/check/*.c)

JEMALLOC_OBJECT := $(if $(filter jemalloc,$(BACKING)),$(BUILD)/obj/jemalloc.o)
LIBRARY_OBJECTS := $(call objects,$(LIBRARY_SOURCES)) $(JEMALLOC_OBJECT)
IOHEAP_OBJECTS  := $(call objects,$(IOHEAP_SOURCES)) $(JEMALLOC_OBJECT)
TEST_OBJECTS    := $(call objects,$(TEST_SOURCES)) $(LIBRARY_OBJECTS)

programs  = $(patsubst tests/%.c,$(BUILD)/%,$(1))
EXAMPLES      := $(patsubst %.c,$(BUILD)/%,$(wildcard examples/*.c)) $(BUILD)/examples/hash \
                 $(BUILD)/examples/httpd
BENCHES  := $(call programs,$(BENCH_SOURCES)) $(addprefix $(BUILD)/bench/,savina scaling)
COUNTERS := $(call programs,$(COUNT_SOURCES))
LOADS    := $(call programs,$(LOAD_SOURCES))
STRESSES := $(call programs,$(STRESS_SOURCES))
FUZZERS  := $(call programs,$(FUZZ_SOURCES))

# Compiling.

compile = $(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) $(AS_ONE)

$(BUILD)/obj/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(compile) -MMD -MP -c -o $@ $<

$(BUILD)/obj/%.o: %.S Makefile
	@mkdir -p $(@D)
	$(call say,AS)
	$(Q)$(compile) -MMD -MP -c -o $@ $<

$(addprefix $(BUILD)/obj/,$(addsuffix /%.o,$(FOLDERS))): private AS_ONE := $(WHOLE)

-include $(shell find $(BUILD)/obj -name '*.d' 2>/dev/null)

# Debian's jemalloc defines malloc itself. All of its public names get the prefix tsuga_je_ and its
# private ones become local, so that a program keeps its own malloc, even another jemalloc. The C++
# operators are left out: they would need libstdc++.
$(BUILD)/obj/jemalloc.o: Makefile
	$(call say,LD)
	$(Q)rm -rf $(@D)/jemalloc && mkdir -p $(@D)/jemalloc
	$(Q)archive=$$($(CC) -print-file-name=libjemalloc_pic.a) && cd $(@D)/jemalloc && \
	    $(AR) x "$$archive" && rm -f jemalloc_cpp*.o
	$(Q)$(CC) -r -nostdlib -o $@ $(@D)/jemalloc/*.o
	$(Q)$(NM) --defined-only -g $@ | awk '$$3 !~ /^je_/ { print $$3, "tsuga_je_" $$3 }' \
	    > $(@D)/jemalloc/names
	$(Q)$(OBJCOPY) --redefine-syms=$(@D)/jemalloc/names $@
	$(Q)$(OBJCOPY) --wildcard --keep-global-symbol='tsuga_je_*' $@

# The library.

# One object in which everything but the public functions is local: what the shared library hides
# is hidden from users of the static one, too.
$(BUILD)/obj/libtsuga.o: $(LIBRARY_OBJECTS)
	$(call say,LD)
	$(Q)$(CC) -r -nostdlib $(if $(WHOLE),$(FLAGS) $(WHOLE) $(AS_PROGRAM)) -o $@ $^
	$(Q)$(OBJCOPY) --wildcard --localize-symbol='tsuga_je_*' --localize-hidden $@

$(BUILD)/libtsuga.a: $(BUILD)/obj/libtsuga.o
	$(call say,AR)
	$(Q)rm -f $@ && $(AR) rcs $@ $^

$(BUILD)/$(SONAME): $(BUILD)/obj/libtsuga.o runtime/tsuga.map
	$(call say,LD)
	$(Q)$(CC) $(LDFLAGS_ALL) -shared -Wl,-soname,$(SONAME) -Wl,--version-script=runtime/tsuga.map \
	    -Wl,-z,defs -Wl,-z,now -o $@ $< $(LIBS)

$(BUILD)/libtsuga.so: $(BUILD)/$(SONAME)
	$(Q)ln -sf $(SONAME) $@

# Programs.

link = $(CC) $(LDFLAGS_ALL) -o $@

$(BUILD)/tests: $(TEST_OBJECTS) $(BUILD)/obj/tests/support/driver_$(DRIVER).o
	$(call say,LD)
	$(Q)$(link) $^ $(LIBS) $(if $(filter criterion,$(DRIVER)),-lcriterion)

$(BUILD)/tests-fork: $(TEST_OBJECTS) $(BUILD)/obj/tests/support/driver_fork.o
	$(call say,LD)
	$(Q)$(link) $^ $(LIBS)

# The examples are linked as a user's program is; the one for the I/O heap shows it standing alone.
$(filter-out %/heap %/hash %/httpd,$(EXAMPLES)): $(BUILD)/%: $(BUILD)/obj/%.o $(BUILD)/libtsuga.a
	@mkdir -p $(@D)
	$(call say,LD)
	$(Q)$(link) $^ $(LIBS)

$(BUILD)/examples/hash: $(call objects,$(wildcard examples/hash/*.c)) $(BUILD)/libtsuga.a
	@mkdir -p $(@D)
	$(call say,LD)
	$(Q)$(link) $^ $(LIBS) -lxxhash

$(BUILD)/examples/httpd: $(call objects,$(wildcard examples/httpd/*.c)) $(BUILD)/libtsuga.a
	@mkdir -p $(@D)
	$(call say,LD)
	$(Q)$(link) $^ $(LIBS) -lhttp_parser

$(BUILD)/examples/heap: $(BUILD)/obj/examples/heap.o $(IOHEAP_OBJECTS)
	@mkdir -p $(@D)
	$(call say,LD)
	$(Q)$(link) $^ -lm

$(BUILD)/sim: $(call objects,$(SIM_SOURCES)) $(LIBRARY_OBJECTS)
	$(call say,LD)
	$(Q)$(link) $^ $(LIBS)

# Written against the public API, and linked as a user's program is.
$(BUILD)/bench/savina: $(call objects,$(SAVINA_SOURCES)) $(BUILD)/libtsuga.a
	@mkdir -p $(@D)
	$(call say,LD)
	$(Q)$(link) $^ $(LIBS)

# Likewise, but for the I/O heap, which it also looks at by itself.
$(BUILD)/bench/scaling: $(call objects,$(SCALING_SOURCES)) $(IOHEAP_OBJECTS) $(BUILD)/libtsuga.a
	@mkdir -p $(@D)
	$(call say,LD)
	$(Q)$(link) $^ $(LIBS)

# Peers are built for `make bench-peers` alone: those whose packages are installed.
PEERS := $(BUILD)/bench/peers
GO    := GO111MODULE=off GOCACHE=$(CURDIR)/build/go go
ifneq ($(filter run-bench-peers,$(MAKECMDGOALS)),)
PEER_NAMES := pinned messages_tsuga messages_floor echo_load echo_tsuga echo_raw echo_epoll \
              http_floor memory_floor \
              $(if $(shell command -v go),messages_go) \
              $(if $(shell command -v erlc),messages_erlang.beam) \
              $(if $(wildcard /usr/include/caf/all.hpp),messages_caf) \
              $(if $(wildcard /usr/include/ev.h),echo_libev) \
              $(if $(wildcard /usr/include/uv.h),echo_libuv)
endif

$(patsubst tests/%.c,$(BUILD)/%,$(PEER_SOURCES)): \
    $(BUILD)/%: $(BUILD)/obj/tests/%.o $(BUILD)/obj/tests/bench/support.o
	@mkdir -p $(@D)
	$(call say,LD)
	$(Q)$(link) $^ $(PEER_LIBS)

$(PEERS)/messages_tsuga: $(BUILD)/obj/tests/bench/savina/support.o $(BUILD)/libtsuga.a
$(PEERS)/http_floor $(addprefix $(PEERS)/echo_,load tsuga raw epoll libev libuv): \
    $(BUILD)/obj/tests/bench/support_tcp.o
$(PEERS)/messages_floor: $(BUILD)/obj/executor/switch_$(MACHINE).o
$(PEERS)/echo_tsuga: $(BUILD)/obj/tests/bench/support_connection.o $(BUILD)/libtsuga.a
$(PEERS)/echo_raw: $(call objects,$(addprefix tests/bench/support_,echo.c raw.c))
$(PEERS)/%_tsuga: private PEER_LIBS := $(LIBS)
$(PEERS)/echo_raw: private PEER_LIBS := -luring
$(PEERS)/echo_libev: private PEER_LIBS := -lev
$(PEERS)/echo_libuv: private PEER_LIBS := -luv

$(PEERS)/messages_go: tests/bench/peers/messages_go.go
	@mkdir -p $(@D)
	$(call say,GO)
	$(Q)$(GO) build -o $@ $<

$(PEERS)/messages_erlang.beam: tests/bench/peers/messages_erlang.erl
	@mkdir -p $(@D)
	$(call say,ERLC)
	$(Q)erlc -o $(@D) $<

$(PEERS)/messages_caf: tests/bench/peers/messages_caf.cpp
	@mkdir -p $(@D)
	$(call say,CXX)
	$(Q)$(CXX) -std=c++17 -O2 -o $@ $< -lcaf_core -pthread

$(filter-out %/savina %/scaling,$(BENCHES)) $(LOADS): \
    $(BUILD)/%: $(BUILD)/obj/tests/%.o $(call objects,$(BENCH_SUPPORT)) $(LIBRARY_OBJECTS)
	@mkdir -p $(@D)
	$(call say,LD)
	$(Q)$(link) $^ $(LIBS)

# Here with no object that it does not need: what others call changes what is inlined.
$(COUNTERS): $(BUILD)/%: $(BUILD)/obj/tests/%.o $(LIBRARY_OBJECTS) \
    $(call objects,$(addprefix tests/bench/support,.c _ring.c))
	@mkdir -p $(@D)
	$(call say,LD)
	$(Q)$(link) $^ $(LIBS)

$(STRESSES) $(BUILD)/stress/large_heap: \
    $(BUILD)/%: $(BUILD)/obj/tests/%.o $(call objects,$(STRESS_SUPPORT)) $(LIBRARY_OBJECTS)
	@mkdir -p $(@D)
	$(call say,LD)
	$(Q)$(link) $^ $(LIBS)

# libFuzzer brings a main, AFL++ starts one of ours.
FUZZ_MAIN := $(if $(filter afl,$(CONFIG)),$(BUILD)/obj/tests/fuzz/afl.o)
$(FUZZERS): $(BUILD)/%: $(BUILD)/obj/tests/%.o $(LIBRARY_OBJECTS) $(FUZZ_MAIN)
	@mkdir -p $(@D)
	$(call say,LD)
	$(Q)$(link) $(if $(FUZZ_MAIN),,-fsanitize=fuzzer) $^ $(LIBS)

$(BUILD)/fuzz/fuzz_httpd: \
    $(call objects,$(filter-out %/main.c,$(wildcard examples/httpd/*.c)))
$(BUILD)/fuzz/fuzz_httpd: private LIBS += -lhttp_parser

$(BUILD)/fuzz/fuzz_mailbox: $(BUILD)/obj/tests/support/mailbox_model.o
$(BUILD)/fuzz/fuzz_sim: $(call objects,$(filter-out %/sim.c,$(SIM_SOURCES)))

# Programs that the scripts of tests/check need; they do not use the library.
$(BUILD)/check/%: $(BUILD)/obj/tests/check/%.o
	@mkdir -p $(@D)
	$(call say,LD)
	$(Q)$(link) $^

# Everything that is compiled in this CONFIG, for `make check-fast`.
.PHONY: objects check-programs check-benches
check-programs: $(call programs,$(CHECK_SOURCES))
# Those whose reports the scripts look at.
check-benches: $(addprefix $(BUILD)/bench/bench_,buffers latency zero_copy zero_copy_udp) \
    $(addprefix $(BUILD)/bench/,savina scaling) $(LOADS)
objects: $(call objects,$(LIBRARY_SOURCES) $(TEST_SOURCES) $(EXAMPLE_SOURCES) $(CHECK_SOURCES) \
    $(SIM_SOURCES) $(wildcard tests/stress/*.c) $(FUZZ_SOURCES) $(BENCH_SOURCES) $(BENCH_SUPPORT) \
    $(SCALING_SOURCES) $(LOAD_SOURCES))

# Building and testing.

.PHONY: all deps demo test run-tests asan ubsan tsan
all: $(BUILD)/libtsuga.a $(BUILD)/libtsuga.so $(EXAMPLES)  ## Build the libraries and the examples

DEPS ?= build
deps:  ## Look for the packages of DEPS="build check bench", install them where that is allowed
	@tests/check/deps.sh $(DEPS)

demo: deps  ## Hash a tree and echo through 64 connections, both verified (DIR=/usr)
	$(quickly) CONFIG=release all check-programs
	@tests/check/demo.sh $(call BUILD_OF,release) "$(or $(DIR),/usr)"

test: deps  ## All tests, with assertions; the examples against real tools
	$(quickly) CONFIG=release all check-programs check-benches
	$(quickly) CONFIG=debug run-tests
	@CC="$(CC)" tests/check/run_scripts.sh $(call BUILD_OF,release) \
	    $(call BUILD_OF,debug)/tests.results

run-tests: $(BUILD)/tests
	@TSUGA_TEST_RESULTS=$(BUILD)/tests.results UBSAN_OPTIONS=print_stacktrace=1 $(BUILD)/tests

asan ubsan tsan:  ## All tests under AddressSanitizer, UndefinedBehaviorSanitizer, ThreadSanitizer
	$(quickly) CONFIG=$@ run-tests

# Longer runs.

# A stress program is told its seconds, a fuzz target is a libFuzzer one, a benchmark prints JSON
# objects, one a line. Each links the whole library with its internal names.

.PHONY: stress run-stress fuzz run-fuzz fuzz-afl run-fuzz-afl bench run-bench cov features limits \
        large-heap canary sim run-sim
STRESS_CONFIGS ?= asan tsan
stress:  ## Every stress program for SECONDS=60 in each of STRESS_CONFIGS="asan tsan"
	$(again) $(STRESS_CONFIGS:%=stress-%)

stress-%:
	$(quickly) CONFIG=$* run-stress

run-stress: $(STRESSES)
	@for program in $^; do echo "$$program"; $$program $(or $(SECONDS),60) || exit 1; done

fuzz:  ## Every fuzz target for SECONDS=30 (libFuzzer, clang), or TARGETS="config …"
	$(quickly) CC=clang CONFIG=fuzz run-fuzz

# What is found on the way stays in the build; what is worth keeping goes to tests/fuzz/corpus.
TARGETS   ?= $(patsubst tests/fuzz/fuzz_%.c,%,$(FUZZ_SOURCES))
CHOSEN    := $(addprefix $(BUILD)/fuzz/fuzz_,$(TARGETS))
run-fuzz: $(CHOSEN)
	@for target in $(TARGETS); do program=$(BUILD)/fuzz/fuzz_$$target; \
	    mkdir -p $$program.corpus; \
	    $$program -max_total_time=$(or $(SECONDS),30) -artifact_prefix=$$program. \
	        $$program.corpus tests/fuzz/corpus/$$target || exit 1; done

fuzz-afl:  ## The same with AFL++, for nightly runs
	@tests/check/deps.sh build fuzz
	$(quickly) CC=afl-clang-fast CONFIG=afl run-fuzz-afl

run-fuzz-afl: $(CHOSEN)
	@tests/fuzz/afl.sh $(or $(SECONDS),30) $(BUILD)/fuzz $^

bench:  ## Every benchmark, SECONDS each; one JSON object a line, and tables in the documentation
	@tests/check/deps.sh build bench
	$(quickly) CONFIG=release run-bench
	$(again) bench-figures

run-bench: $(BENCHES) $(LOADS) $(BUILD)/examples/hash $(BUILD)/examples/httpd
	@printf '{"bench": "machine", "case": "%s", "day": "%s"}\n' "$$(tests/bench/machine.sh)" \
	    "$$(date +%F)" > $(BUILD)/bench.jsonl
	@for program in $(BENCHES); do $$program $(SECONDS) > $(BUILD)/bench.out || exit 1; \
	    tee -a $(BUILD)/bench.jsonl < $(BUILD)/bench.out; done
	@for script in bench latency; do \
	    tests/bench/httpd/$$script.sh $(BUILD) $(SECONDS) > $(BUILD)/bench.out || exit 1; \
	    tee -a $(BUILD)/bench.jsonl < $(BUILD)/bench.out; done

.PHONY: bench-figures
bench-figures:  ## Put what bench has measured into the documentation
	@tests/bench/figures/figures.sh $(call BUILD_OF,release)

.PHONY: bench-deps bench-peers run-bench-peers bench-table bench-plots run-bench-plots
bench-deps:  ## Install the packages of whom bench-peers compares with
	@tests/check/deps.sh build bench peers plots

bench-peers:  ## Beside peers, in turns (REPS=9, SECTIONS="messages"); docs/performance.md anew
	$(quickly) CONFIG=release run-bench-peers
	$(again) bench-table
	$(if $(SECTIONS),,$(again) bench)
	$(if $(SECTIONS),,$(again) bench-plots)

run-bench-peers: $(addprefix $(PEERS)/,$(PEER_NAMES)) \
    $(addprefix $(BUILD)/bench/bench_,nop message read ioheap) \
    $(addprefix $(BUILD)/examples/,httpd hash)
	@REPS=$(or $(REPS),9) tests/bench/peers/peers.sh $(BUILD) $(SECTIONS)

bench-table:  ## Put what bench-peers has measured into docs/performance.md
	@tests/bench/peers/table.sh $(call BUILD_OF,release) docs/performance.md

bench-plots:  ## What a unit costs among one and among a million, for SECONDS=90, in docs/plots
	@tests/check/deps.sh build plots
	$(quickly) CONFIG=release run-bench-plots

run-bench-plots: $(BUILD)/bench/scaling
	@$< $(or $(SECONDS),90) > $(BUILD)/bench.out
	@mv $(BUILD)/bench.out $(BUILD)/bench-scaling.jsonl
	@tests/bench/plots/plots.sh $(BUILD)/bench-scaling.jsonl docs/plots

.PHONY: bench-instructions run-instructions
bench-instructions:  ## Instructions of a message, an operation, a spawn, against those on record
	$(quickly) CC=gcc CONFIG=release run-instructions

run-instructions: $(BUILD)/bench/count_instructions
	@tests/bench/instructions.sh $(BUILD)

SIM_SEEDS ?= 10
sim:  ## Workloads in simulated worlds, with all kinds of faults (SECONDS=, SEED=, SIM_CONFIG=debug)
	$(quickly) CONFIG=$(or $(SIM_CONFIG),debug) run-sim

# Without SECONDS the seeds are the same each time, and each is run twice; then the invariants are
# looked at after every single step of short runs without faults.
run-sim: $(BUILD)/sim
	@$(BUILD)/sim --seed $(or $(SEED),1) \
	    $(if $(SECONDS),--seconds $(SECONDS),--seeds $(SIM_SEEDS) --twice)
	@$(if $(SECONDS),,tests/check/sim_repeats.sh $(BUILD)/sim)
	@$(if $(SECONDS),,$(BUILD)/sim --seed 1 --seeds 30 --steps 5000 --faults none --check 1)

features:  ## The unit tests once for each kernel feature, with that one off (KEYS="multishot …")
	$(quickly) CONFIG=debug $(call BUILD_OF,debug)/tests
	@tests/check/features_off.sh $(call BUILD_OF,debug) $(KEYS)

large-heap:  ## A heap of MIB=3072 in one actor, each block read and written by fixed operations
	$(quickly) CONFIG=release $(call BUILD_OF,release)/stress/large_heap
	@$(call BUILD_OF,release)/stress/large_heap $(MIB)

limits:  ## The unit tests and the demonstration with little locked memory, and few slots (root)
	$(quickly) CONFIG=release all check-programs
	$(quickly) CONFIG=debug $(call BUILD_OF,debug)/tests
	@tests/check/limits.sh $(call BUILD_OF,debug) $(call BUILD_OF,release) "$(or $(DIR),/usr)" \
	    $(LIMITS)

canary:  ## Plant faults, one at a time: is each caught by a test? (FAULTS="wrong_merge …")
	@mkdir -p build/canary
	+@CC="$(CC)" tests/canary/canary.sh build/canary $(FAULTS)

cov:  ## Coverage of the library by tests and simulation, lines and branches, and what never ran
	$(quickly) CONFIG=cov run-tests $(call BUILD_OF,cov)/sim
	@$(call BUILD_OF,cov)/sim --seed 1 --seeds 3
	@tests/check/coverage.sh $(call BUILD_OF,cov) $(call c_files,$(FOLDERS))

# Checks.

C_DIRECTORIES := runtime executor actor mailbox ioheap tests examples
C_FILES       := $(shell find $(wildcard $(C_DIRECTORIES)) -name '*.[ch]' 2>/dev/null | sort)
HEADERS       := $(filter %.h,$(C_FILES))

# What must be proved by a passing test before the checks pass; see docs/requirements.md.
REQUIRED       := H01-H47 A01-A33 N01-N18 Z01-Z27
REQUIRE_STRICT ?= yes

.PHONY: check check-fast fmt fmt-check tidy layers headers docs-check exports aarch64 requirements
# CHECK_TEST= leaves out what `make test` has just done, CHECK_STATIC= what is the same with every
# compiler.
CHECK_TEST   ?= test
CHECK_STATIC ?= fmt-check tidy layers docs-check aarch64 bench-instructions
check:  ## All checks and all tests, with the sanitizers, with CC=gcc or clang
	@tests/check/deps.sh build check
	$(again) $(CHECK_STATIC) headers exports $(CHECK_TEST) sim asan ubsan tsan
	@tests/check/requirements.sh --need "$(REQUIRED)" --strict $(REQUIRE_STRICT) \
	    $(call BUILD_OF,debug)/tests.results

check-fast: fmt-check layers headers docs-check exports  ## The quick checks, and compile everything
	@tests/check/test_the_canary_can_be_planted.sh
	$(quickly) CONFIG=debug objects

fmt:  ## Format every source file
	@clang-format -i $(C_FILES)

fmt-check:  ## Is every source file formatted, and what clang-format cannot see as it should be?
	@clang-format --dry-run -Werror $(C_FILES)
	@tests/check/style.sh $(C_FILES) Makefile .ci/run $(wildcard tests/check/*.sh) \
	    $(wildcard tests/bench/*/*.sh tests/canary/*.sh tests/fuzz/*.sh)

tidy:  ## clang-tidy: function size, bug patterns, the analyzer
	@tests/check/tidy.sh $(filter-out %_libev.c %_libuv.c,$(filter %.c,$(C_FILES)))

layers:  ## Do the includes point one way, and stay system calls and libraries in their files?
	@tests/check/layers.sh $(C_FILES)

headers:  ## Does every header compile alone, is it guarded, does it say who owns what?
	@CC="$(CC)" tests/check/headers.sh $(HEADERS)

docs-check:  ## Has every public function its comment with owner, errors, thread, blocks?
	@tests/check/docs.sh $(PUBLIC_HEADERS)

exports:  ## Does the library export what its headers declare, and hold no mutable globals?
	$(quickly) CONFIG=release $(call BUILD_OF,release)/$(SONAME)
	@tests/check/exports.sh $(call BUILD_OF,release)/$(SONAME) $(PUBLIC_HEADERS)
	@tests/check/globals.sh $(call BUILD_OF,release)/obj $(FOLDERS)

aarch64:  ## Do the aarch64 sources assemble?
	@tests/check/aarch64.sh $(wildcard executor/*_aarch64.S)

requirements:  ## Which requirements did the last `make test` prove, which not?
	@tests/check/requirements.sh $(call BUILD_OF,debug)/tests.results

# Installing, and the rest.

# Section 3 is made from the public headers, 5 from the configuration's chapter, 7 by hand.
MAN         := build/man
MAN_DATE    ?= $(shell date -u -r runtime/include/tsuga.h '+%B %-d, %Y')
MAN_SOURCES := $(PUBLIC_HEADERS) docs/configuration.md $(wildcard docs/man/*)
man_awk      = awk -v date='$(MAN_DATE)' -v version=$(VERSION) -f docs/man/mdoc.awk

$(MAN)/topics: $(MAN_SOURCES) Makefile
	$(Q)rm -rf $(MAN) && mkdir -p $(MAN)/man3 $(MAN)/man5 $(MAN)/man7
	$(Q)$(man_awk) -f docs/man/conf.awk docs/configuration.md > $(MAN)/man5/tsuga.conf.5
	$(Q)$(man_awk) -v out=$(MAN)/man3 -f docs/man/pages.awk $(PUBLIC_HEADERS) > $@
	$(Q)sed -e 's|@DATE@|$(MAN_DATE)|' -e 's|@VERSION@|$(VERSION)|' -e '/" TOPICS/r $@' \
	    docs/man/tsuga.7 > $(MAN)/man7/tsuga.7

.PHONY: man install uninstall compdb debian clean help
man: $(MAN)/topics  ## Man pages of the public headers and of the configuration, in build/man

install: all man  ## Install to DESTDIR and PREFIX=/usr/local
	install -d $(DESTDIR)$(LIBDIR)/pkgconfig $(DESTDIR)$(INCLUDEDIR) \
	    $(addprefix $(DESTDIR)$(MANDIR)/man,3 5 7)
	install -m 644 $(BUILD)/libtsuga.a $(DESTDIR)$(LIBDIR)/
	install -m 755 $(BUILD)/$(SONAME) $(DESTDIR)$(LIBDIR)/
	ln -sf $(SONAME) $(DESTDIR)$(LIBDIR)/libtsuga.so
	sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@LIBDIR@|$(LIBDIR)|' -e 's|@VERSION@|$(VERSION)|' \
	    -e 's|@INCLUDEDIR@|$(INCLUDEDIR)|' runtime/tsuga.pc.in \
	    > $(DESTDIR)$(LIBDIR)/pkgconfig/tsuga.pc
	install -m 644 $(PUBLIC_HEADERS) $(DESTDIR)$(INCLUDEDIR)/
	for section in 3 5 7; do \
	    install -m 644 $(MAN)/man$$section/* $(DESTDIR)$(MANDIR)/man$$section/ || exit 1; done

uninstall: man  ## Remove what install put there
	rm -f $(addprefix $(DESTDIR)$(LIBDIR)/,libtsuga.a $(SONAME) libtsuga.so pkgconfig/tsuga.pc)
	rm -f $(addprefix $(DESTDIR)$(INCLUDEDIR)/,$(notdir $(PUBLIC_HEADERS)))
	cd $(MAN) && for page in man?/*; do rm -f "$(DESTDIR)$(MANDIR)/$$page"; done

compdb:  ## Write compile_commands.json for editors
	@for file in $(filter %.c,$(C_FILES)); do \
	    printf '{"directory": "%s", "file": "%s", "command": "%s -c %s"}\n' \
	        "$(CURDIR)" "$$file" "$(compile)" "$$file"; \
	done | sed -e '1s/^/[/' -e '$$!s/$$/,/' -e '$$s/$$/]/' > compile_commands.json

debian:  ## Run `make demo` and `make test` in a fresh minimal Debian 12 (root, debootstrap)
	tests/check/debian.sh

clean:  ## Remove everything that was built
	rm -rf build compile_commands.json

help:  ## List the targets
	@awk -F ':.*## ' '/^[a-z][a-z0-9 -]*:.*## / { \
	    count = split($$1, names, " "); \
	    for (i = 1; i <= count; i++) printf "  %-14s %s\n", names[i], $$2 }' $(MAKEFILE_LIST)
