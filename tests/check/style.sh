#!/bin/sh
# What clang-format cannot see: no #if inside a function, struct or prototype, no unfinished work,
# no line over 100 columns in the files that clang-format does not know.
#
#     style.sh FILE…
exec awk '
function complain(message) {
    printf "%s:%d: %s\n", FILENAME, FNR, message
    bad = 1
}

FNR == 1 {
    is_c = FILENAME ~ /\.[ch]$/
    open_with = ""
}

# clang-format puts the brackets of functions, types and prototypes where these patterns find them.
is_c && /^extern "C" \{/ { next }
is_c && /^[^ \t#\/*}].*[(,]$/ { open_with = "(" }
is_c && (/^[^ \t#\/*}].*\{$/ || /^\{$/) { open_with = "{" }
is_c && (/^}/ || (open_with == "(" && /;$/)) { open_with = "" }
is_c && open_with != "" && /^[ \t]*#[ \t]*(if|elif|else|endif)/ {
    complain("#if inside a declaration or body")
}

is_c && /(^|[^[:alnum:]_])(TODO|FIXME|XXX)([^[:alnum:]_]|$)/ { complain("unfinished work") }
!is_c && length($0) > 100 { complain("longer than 100 columns") }
/[ \t]$/ { complain("ends in white space") }

END { exit bad }
' "$@"
