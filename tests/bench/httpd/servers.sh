# Starts the example httpd and nginx, one worker each on processor 0, with the same two files, for
# the scripts beside this one, which set `build`. Sets `scratch`, `ours`, `our_port`, `theirs` and
# `their_port`; whoever is in `servers` ends with the script.
# shellcheck shell=sh disable=SC2154
here=tests/bench/httpd

for tool in nginx wrk curl taskset; do
    if ! command -v $tool >/dev/null; then
        echo "httpd: skipped: no $tool" >&2
        exit 0
    fi
done
if [ "$(nproc)" -lt 2 ]; then
    echo "httpd: skipped: needs two processors" >&2
    exit 0
fi

scratch=$(mktemp -d)
servers=
clean_up() {
    for pid in $servers; do
        kill -TERM "$pid" 2>/dev/null || true
        wait "$pid" 2>/dev/null || true
    done
    rm -rf "$scratch"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

fail() {
    echo "httpd: $1" >&2
    cat "$scratch"/*.log >&2
    exit 1
}

mkdir "$scratch/www" "$scratch/body"
head -c 1024 /dev/urandom >"$scratch/www/1k"
head -c 65536 /dev/urandom >"$scratch/www/64k"
chmod -R a+rX "$scratch"

# Our port is of the kernel's choice, and nginx takes the one after the last try.
mkfifo "$scratch/port"
taskset -c 0 "$build/examples/httpd" -c $here/httpd.ini -p 0 -r "$scratch/www" \
    >"$scratch/port" 2>"$scratch/httpd.log" &
ours=$!
servers=$ours
read -r line <"$scratch/port" || fail "our server does not listen"
our_port=${line##*:}

start_nginx() {
    sed -e "s|@PORT@|$1|" -e "s|@ROOT@|$scratch/www|" -e "s|@SCRATCH@|$scratch|" \
        $here/nginx.conf >"$scratch/nginx.conf"
    taskset -c 0 nginx -c "$scratch/nginx.conf" 2>"$scratch/start.log" &
    theirs=$!
    try=0
    until curl -so /dev/null "127.0.0.1:$1"; do
        kill -0 $theirs 2>/dev/null || return 1
        try=$((try + 1))
        [ $try -lt 100 ] || return 1
        sleep 0.05
    done
}
their_port=$((our_port + 1))
until start_nginx $their_port; do
    their_port=$((their_port + 1))
    [ $their_port -lt $((our_port + 20)) ] || fail "nginx does not listen"
done
servers="$ours $theirs"
