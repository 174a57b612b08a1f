#!/bin/sh
# Checks the arrows between folders, and that libraries and system calls stay in their files:
#
#     runtime/sim -> runtime/*.c -> executor -> actor -> { mailbox, ioheap } -> runtime/base
#
#     layers.sh FILE…
exec awk '
function folder_of(path) {
    sub(/\/[^\/]*$/, "", path)
    return path
}

function complain(message) {
    printf "%s:%d: %s\n", FILENAME, FNR, message
    bad = 1
}

function only_in(pattern, what, where) {
    if (FILENAME !~ pattern)
        complain(what " belongs to " where " only")
}

BEGIN {
    base = " runtime/base "
    may["runtime/base"] = base
    may["ioheap"] = " ioheap" base
    may["mailbox"] = " mailbox" base
    may["actor"] = " actor" may["mailbox"] may["ioheap"]
    may["executor"] = " executor" may["actor"]
    may["runtime"] = " runtime" may["executor"]
    may["runtime/sim"] = " runtime/sim" may["runtime"]
    may["runtime/include"] = " "
}

FNR == 1 {
    folder = folder_of(FILENAME)
    is_test = FILENAME ~ /^tests\//
    is_library = folder in may
    # The one example that shows the I/O heap by itself is the only one to look behind tsuga.h.
    is_example = FILENAME ~ /^examples\// && FILENAME != "examples/heap.c"
}

match($0, /^[ \t]*#[ \t]*include[ \t]+"[^"]*"/) {
    split($0, quoted, "\"")
    to = folder_of(quoted[2])
    if (quoted[2] !~ /\//)
        complain("include \"" quoted[2] "\": paths start at the root of the repository")
    else if (is_library && index(may[folder], " " to " ") == 0)
        complain("an arrow from " folder " to " to)
    else if (is_example && to != folder)
        complain("an example includes <tsuga.h> and no private header")
}

# A name behind -> or . is a hook of the same name, and none of this concerns comments.
is_library && /include[ \t]+<liburing/ { only_in("^executor/ring_", "liburing", "executor/ring_*") }
is_library && /include[ \t]+<ini\.h>/ { only_in("^runtime/config", "inih", "runtime/config*") }
is_library && /tsuga_je_|<jemalloc\// {
    only_in("/backing_jemalloc[.]c$", "jemalloc", "backing_jemalloc.c")
}
is_library && /(^|[^a-z_>.])(mmap|munmap|mremap|madvise|mprotect)\(/ && !/^ ?\*|\/\*/ {
    only_in("/(stack_)?backing[a-z_]*[.]c$", "mapping memory", "the backing files")
}
is_library && /(^|[^a-z_>.])(malloc|calloc|realloc|strdup|free)\(/ && !/^ ?\*|\/\*/ {
    only_in("/backing_libc[.]c$", "the C library'\''s allocator", "backing_libc.c")
}

END { exit bad }
' "$@"
