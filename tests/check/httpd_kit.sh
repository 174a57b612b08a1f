# What the tests of the example httpd share; sourced at their beginning. They run in SCRATCH, where
# the root that is served is `www`.
#
# shellcheck shell=sh disable=SC2034,SC2119,SC2120
set -eu
httpd=$PWD/$BUILD/examples/httpd
export LC_ALL=C
for tool in curl socat; do
    if ! command -v $tool >/dev/null; then
        echo "skipped: no $tool"
        exit 77
    fi
done
cd "$SCRATCH"
mkdir www
mkfifo port
server=
trap '[ -z "$server" ] || kill "$server"' EXIT

fail() {
    echo "$1"
    for file in messages answer head log; do
        [ ! -s $file ] || { echo "--- $file" && head -c 4000 $file; }
    done
    exit 1
}

# start [OPTION…]: the server tells its port when it listens. `limits` may be a command for it.
limits=
start() {
    $limits "$httpd" -p 0 -r www "$@" >port 2>messages &
    server=$!
    read -r line <port || fail "the server does not listen"
    port=${line##*:}
    url=http://127.0.0.1:$port
}

# stop [SIGNAL]: the server ends by itself, with status 0.
stop() {
    kill -"${1:-INT}" "$server"
    status=0
    wait "$server" || status=$?
    server=
    [ $status -eq 0 ] || fail "the server ends with status $status"
    grep -q '^httpd: .* requests on ' messages || fail "the server does not say how it went"
}

# get TARGET [OPTION…]: the response's body goes to `answer`, its head to `head`.
get() {
    target=$1
    shift
    curl -s --max-time 20 --path-as-is -D head -o answer "$@" "$url$target" ||
        fail "GET $target $*: curl status $?"
}

# expect STATUS: of the last head.
expect() {
    grep -q "^HTTP/1.1 $1 " head || fail "$target: not $1"
}

# has FIELD VALUE: the last head has exactly this.
has() {
    tr -d '\r' <./head | grep -qxF "$1: $2" || fail "$target: not '$1: $2'"
}

# value_of FIELD: in the last head.
value_of() {
    tr -d '\r' <./head | sed -n "s/^$1: //p"
}

# raw [OPTION…] <REQUEST: whatever comes back until the end of the connection goes to `answer`.
raw() {
    timeout 20 socat -t 15 "$@" - "TCP:127.0.0.1:$port" >answer || fail "socat: status $?"
}

# first STATUS WHAT: the last raw answer begins like this.
first() {
    head -n 1 answer | grep -q "^HTTP/1.1 $1 " || fail "$2: not $1"
}
