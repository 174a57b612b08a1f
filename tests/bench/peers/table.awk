# Makes the table of docs/performance.md from the figures of peers.sh.
#
#     awk -f table.awk rows.txt bench-peers.jsonl
#
# A ratio is formed within each round, ours to the other side's, unless the figure brings one: the
# median over many shorter rounds. The table has the median of a side's values, and of its ratios the
# median and the deciles.

function trim(text) {
    gsub(/^ +| +$/, "", text)
    return text
}

# The value of a key in the current line, without quotes; "" when there is none.
function field(key,    at) {
    if (!match($0, "\"" key "\": (\"[^\"]*\"|[0-9.e+-]+)"))
        return ""
    at = substr($0, RSTART + length(key) + 4, RLENGTH - length(key) - 4)
    gsub(/"/, "", at)
    return at
}

# sample[1 ..= count], sorted in place; the value below which a share of them lies.
function quantile(count, share,    i, j, value) {
    for (i = 2; i <= count; i++) {
        value = sample[i]
        for (j = i - 1; j >= 1 && sample[j] > value; j--)
            sample[j + 1] = sample[j]
        sample[j + 1] = value
    }
    return sample[1 + int((count - 1) * share + 0.5)]
}

function number(value) {
    if (value >= 1000)
        return sprintf("%d", value + 0.5)
    return sprintf(value >= 100 ? "%.0f" : value >= 10 ? "%.1f" : "%.2f", value)
}

# The medians and deciles of a side in a row.
function sum_up(row, side,    round, count) {
    count = 0
    for (round = 1; round <= rounds[row]; round++) {
        if ((row, side, round) in value)
            sample[++count] = value[row, side, round]
    }
    median[row, side] = quantile(count, 0.5)
    count = 0
    for (round = 1; round <= rounds[row]; round++) {
        if ((row, side, round) in paired)
            sample[++count] = paired[row, side, round]
        else if ((row, side, round) in value && (row, "tsuga", round) in value &&
            value[row, side, round] > 0)
            sample[++count] = value[row, "tsuga", round] / value[row, side, round]
    }
    if (count == 0)
        return
    ratio[row, side] = quantile(count, 0.5)
    ratio_low[row, side] = quantile(count, 0.1)
    ratio_high[row, side] = quantile(count, 0.9)
}

function shown(row, side) {
    if (!((row, side) in ratio))
        return number(median[row, side])
    return sprintf("%s (%s ×, %s to %s)", number(median[row, side]), number(ratio[row, side]),
        number(ratio_low[row, side]), number(ratio_high[row, side]))
}

# "tsuga <= 25" is of a figure, "tsuga/raw <= 1.1" of a ratio.
function verdict(row, bound,    parts, side, got) {
    split(bound, parts, " ")
    if (parts[1] == "tsuga") {
        got = median[row, "tsuga"]
    } else {
        side = substr(parts[1], index(parts[1], "/") + 1)
        if (!((row, side) in ratio))
            return "not measured"
        got = ratio[row, side]
    }
    if (parts[2] == "<=" ? got <= parts[3] : parts[2] == ">=" ? got >= parts[3] : got < parts[3])
        return "met"
    return "**not met**"
}

function bound_text(bound) {
    sub(/^tsuga /, "", bound)
    sub(/^tsuga\//, "of ", bound)
    sub(/<=/, "≤", bound)
    sub(/>=/, "≥", bound)
    return bound (bound ~ /^of/ ? " ×" : "")
}

function print_row(row,    i, count, sides, peers, bounds, verdicts, list) {
    count = split(side_list[row], sides, "\t")
    for (i = 1; i <= count; i++) {
        sum_up(row, sides[i])
        if (sides[i] != "tsuga" && sides[i] != "floor")
            peers = peers (peers == "" ? "" : "; ") sides[i] " " shown(row, sides[i])
    }
    count = split(bounds_of[row], list, ";")
    for (i = 1; i <= count; i++) {
        bounds = bounds (i > 1 ? "; " : "") bound_text(trim(list[i]))
        verdicts = verdicts (i > 1 ? "; " : "") verdict(row, trim(list[i]))
    }
    printf "| %s%s, %s | %s | %s | %s | %s | %s |\n", row, note[row], unit[row], number(median[row, "tsuga"]),
        (row, "floor") in median ? shown(row, "floor") : "", peers, bounds, verdicts
}

FNR == 1 { file++ }
file == 1 && !/^#/ && split($0, column, "|") == 3 {
    row = trim(column[1])
    rows[++row_count] = row
    unit[row] = trim(column[2])
    bounds_of[row] = trim(column[3])
}

file == 2 && field("machine") != "" { machine = field("machine") }
file == 2 && field("package") != "" {
    packages = packages (packages == "" ? "" : ", ") field("package") " " field("version")
}
file == 2 && field("row") != "" {
    row = field("row")
    side = field("side")
    round = field("round") + 0
    if (!((row, side) in seen))
        side_list[row] = side_list[row] (side_list[row] == "" ? "" : "\t") side
    seen[row, side] = 1
    value[row, side, round] = field("value") + 0
    if (field("note") != "")
        note[row] = ", " field("note")
    day = field("day")
    if (first_day == "" || day < first_day)
        first_day = day
    if (day > last_day)
        last_day = day
    if (round > round_max)
        round_max = round
    if (field("ratio") != "")
        paired[row, side, round] = field("ratio") + 0
    if (round > rounds[row])
        rounds[row] = round
    if (field("others") != "")
        others[++others_count] = field("others") + 0
}

END {
    printf "%s; %s, %d rounds. Peers: %s.\n", machine,
        first_day == last_day ? last_day : first_day " to " last_day, round_max, packages
    for (i = 1; i <= others_count; i++)
        sample[i] = others[i]
    if (others_count > 0)
        printf "Other work had %d %% of the processors (median; deciles %d and %d %%).\n",
            100 * quantile(others_count, 0.5), 100 * quantile(others_count, 0.1),
            100 * quantile(others_count, 0.9)
    print "\n| work | Tsuga | floor | peers | bound | |"
    print "| --- | --- | --- | --- | --- | --- |"
    for (i = 1; i <= row_count; i++) {
        if (side_list[rows[i]] != "")
            print_row(rows[i])
        else
            missing = missing (missing == "" ? "" : "; ") rows[i]
    }
    if (missing != "")
        printf "\nNot measured: %s.\n", missing
}
