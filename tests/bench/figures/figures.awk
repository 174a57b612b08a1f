# Makes a table of the documentation from the JSON lines of the benchmarks.
#
#     awk -v table=figures|tcp|udp -f figures.awk bench.jsonl
#
# The first line says what the machine is. "figures" has a row for each line, except those of the sweeps over sizes of zero-copy sends, of
# which "tcp" and "udp" have a column for each size, and those of curves, which are drawn.

# The value of a key in the current line, without quotes; "" when there is none.
function field(key,    at) {
    if (!match($0, "\"" key "\": ?(\"[^\"]*\"|[0-9.e+-]+|true|false)"))
        return ""
    at = substr($0, RSTART, RLENGTH)
    sub(/^"[^"]*": ?/, "", at)
    gsub(/"/, "", at)
    return at
}

function number(value) {
    value += 0
    if (value >= 1000)
        return sprintf("%d", value + 0.5)
    return sprintf(value >= 100 ? "%.0f" : value >= 10 ? "%.1f" : "%.2f", value)
}

function duration(ns) {
    ns += 0
    if (ns >= 1e6)
        return number(ns / 1e6) " ms"
    return ns >= 1e4 ? number(ns / 1e3) " µs" : number(ns) " ns"
}

# "1.10 × what (1.09 to 1.12)".
function ratio_to(what) {
    return sprintf("%s × %s (%s to %s)", number(field("ratio")), what, number(field("ratio_p10")),
        number(field("ratio_p90")))
}

# What the project promises of this line's figures, and whether the run kept it.
function bounds(    rest, key, all) {
    rest = $0
    while (match(rest, /"[a-z_0-9]*_bound": ?[0-9.]+/)) {
        key = substr(rest, RSTART + 1, RLENGTH)
        sub(/_bound".*/, "", key)
        all = all (all == "" ? "" : ", ") key " " number(field(key)) " of " number(field(key "_bound")) \
            (field(key "_bound_met") == "true" ? "" : ", **not met**")
        rest = substr(rest, RSTART + RLENGTH)
    }
    return all
}

function row(what, figure, beside) {
    printf "| %s | %s | %s | %s |\n", what, figure, beside, bounds()
}

function title() {
    return field("bench") ": " field("case")
}

# Latencies of both loads stand in one row each.
function latency_row(    what) {
    what = title()
    if (field("load") != "" && field("load") != "none")
        what = what "; beside " field("load")
    row(what, "p50 " duration(field("p50_ns")), "p99 " duration(field("p99_ns")) ", p99.9 " \
        duration(field("p999_ns")))
}

function trace_row(    name, beside, i) {
    split("buddy mimalloc jemalloc glibc", name, " ")
    for (i = 1; i in name; i++) {
        if (field(name[i] "_ns") != "")
            beside = beside (beside == "" ? "" : ", ") number(field("ratio_" name[i])) " × " name[i]
    }
    row("ioheap: a block freed or allocated, " field("live") " live", duration(field("tsuga_ns")),
        beside)
}

function figures_row(    bench) {
    bench = field("bench")
    if (bench ~ /^(zero_copy|zero_copy_udp|scaling)$/)
        return
    if (bench == "ioheap_trace")
        trace_row()
    else if (bench == "ioheap_footprint")
        row("ioheap: bytes needed over peak live bytes, tables included", number(field("ratio")), "")
    else if (bench == "ioheap_record")
        row("ioheap: a record from its slab, or back", duration(field("ns")), "")
    else if (bench == "ioheap_small")
        row("ioheap: bytes of the smallest heap, of its tables", field("segment_bytes") ", " \
            field("table_bytes"), "")
    else if (bench == "httpd")
        row("httpd: requests a second, " field("file") " file", field("per_s"), ratio_to("nginx"))
    else if (bench == "httpd_latency")
        row("httpd: " field("file") " file at " field("rate_per_s") " requests a second", "p50 " \
            duration(field("p50_ns")), "p99 " duration(field("p99_ns")) "; nginx " \
            duration(field("nginx_p50_ns")) " and " duration(field("nginx_p99_ns")))
    else if (field("p50_without_ns") != "")
        row(title(), "p50 " duration(field("p50_ns")) ", p99 " duration(field("p99_ns")),
            "without growth " duration(field("p50_without_ns")) " and " \
            duration(field("p99_without_ns")))
    else if (field("p50_ns") != "")
        latency_row()
    else if (field("floor") != "")
        row(title(), duration(field("ns")), ratio_to(field("floor")))
    else if (field("ns") != "")
        row(title(), duration(field("ns")), "")
}

# A sweep: rows in order of appearance, a column for each size.
function sweep_cell(    size, side) {
    if (field("ratio") == "")
        return
    size = side = field("case")
    sub(/,.*/, "", size)
    sub(/^[^,]*, /, "", side)
    sub(/(, )?loopback (TCP|UDP)$/, "", side)
    if (!(size in column)) {
        column[size] = ++columns
        head[columns] = size
    }
    if (!(side in line)) {
        line[side] = ++lines
        name[lines] = side == "" ? "zero copy" : side
    }
    cell[line[side], column[size]] = number(field("ratio")) " ×"
    floor = field("floor")
}

function sweep_table(    i, k) {
    printf "| against %s |", floor
    for (k = 1; k <= columns; k++)
        printf " %s |", head[k]
    printf "\n| --- |"
    for (k = 1; k <= columns; k++)
        printf " --- |"
    for (i = 1; i <= lines; i++) {
        printf "\n| %s |", name[i]
        for (k = 1; k <= columns; k++)
            printf " %s |", cell[i, k]
    }
    printf "\n"
}

field("bench") == "machine" {
    printf "%s; %s.\n\n", field("case"), field("day")
    if (table == "figures")
        print "| what | figure | beside it | bounds |\n| --- | --- | --- | --- |"
    next
}

table == "figures" { figures_row() }
table == "tcp" && field("bench") == "zero_copy" { sweep_cell() }
table == "udp" && field("bench") == "zero_copy_udp" { sweep_cell() }

END {
    if (table != "figures")
        sweep_table()
}
