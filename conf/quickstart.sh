#!/usr/bin/env bash
# Shows Cashew at work: two redis-servers on loopback, and Cashew in front of them, until Ctrl-C.
# Whatever ends it, nothing that it started or wrote stays behind.
#
# CASHEW names another program to run; then nothing is built.
set -euo pipefail
cd "$(dirname "$0")/.."

configuration=conf/quickstart.yml
proxy_port=22121
stats_port=22222
redis_ports=(6391 6392)
seconds_to_start=10

folder=
names=() # What was started, in order,
pids=()  # and its process.

say() { echo "quickstart: $*" >&2; }

fail() {
    say "$*"
    exit 1
}

# Ends what was started, the last first, and removes the folder.
clean_up() {
    trap '' INT TERM HUP
    local index
    for ((index = ${#pids[@]} - 1; index >= 0; index--)); do
        kill -TERM "${pids[index]}" 2>/dev/null || continue
        wait_for_end "${pids[index]}" || kill -KILL "${pids[index]}" 2>/dev/null || true
        wait "${pids[index]}" 2>/dev/null || true
    done
    [ -z "$folder" ] || rm -rf "$folder"
}

# Waits up to five seconds.
wait_for_end() {
    local step
    for ((step = 0; step < 100; step++)); do
        kill -0 "$1" 2>/dev/null || return 0
        sleep 0.05
    done
    return 1
}

is_taken() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

require_ports() {
    local port
    for port in "$proxy_port" "$stats_port" "${redis_ports[@]}"; do
        ! is_taken "$port" || fail "port $port of 127.0.0.1 is taken: end what listens there first"
    done
}

# Asks for a ring as Cashew will, by the system call's number, which is 425 on every machine.
require_io_uring() {
    local code=0
    perl -e '$parameters = "\0" x 120; exit(syscall(425, 8, $parameters) < 0 ? $! + 0 : 0)' ||
        code=$?
    case $code in
    0) ;;
    1) fail "io_uring is refused here: see the sysctl kernel.io_uring_disabled, or the seccomp" \
        "profile of the container" ;;
    38) fail "this kernel has no io_uring: Linux 6.0 or newer is needed" ;;
    *) fail "io_uring cannot be set up here: $(perl -e '$! = shift; print $!' "$code")" ;;
    esac
}

# start NAME COMMAND... The process ignores the terminal's Ctrl-C, so that the order in which
# things end is ours, and is killed when this script is.
start() {
    names+=("$1")
    shift
    setsid setpriv --pdeathsig KILL "$@" &
    pids+=($!)
}

answers() { [ "$(redis-cli -h 127.0.0.1 -p "$1" ping 2>/dev/null)" = PONG ]; }

# wait_for PORT NAME: until it answers a ping; fails when it ends or takes too long.
wait_for() {
    local deadline=$((SECONDS + seconds_to_start))
    until answers "$1"; do
        require_alive
        [ $SECONDS -lt $deadline ] || fail "$2 does not answer on port $1"
        sleep 0.05
    done
    require_alive
}

require_alive() {
    local index status
    for index in "${!pids[@]}"; do
        kill -0 "${pids[index]}" 2>/dev/null && continue
        status=0
        wait "${pids[index]}" 2>/dev/null || status=$?
        fail_for_end "${pids[index]}" "$status"
    done
}

# fail_for_end PROCESS STATUS
fail_for_end() {
    local index log
    for index in "${!pids[@]}"; do
        [ "${pids[index]}" = "$1" ] || continue
        log=$folder/${names[index]// /-}.log
        [ ! -s "$log" ] || tail -n 3 "$log" >&2
        fail "${names[index]} ended by itself, with status $2; the rest is ended too"
    done
}

show_what_runs() {
    cat <<TEXT

  cashew        127.0.0.1:$proxy_port   $configuration, stats on 127.0.0.1:$stats_port
  redis-server  127.0.0.1:${redis_ports[0]}, 127.0.0.1:${redis_ports[1]}   data in $folder

Try in another terminal:

  redis-cli -p $proxy_port set greeting hello
  redis-cli -p $proxy_port mget greeting farewell
  for port in ${redis_ports[*]}; do redis-cli -p \$port --scan; done

Ctrl-C ends all of it.
TEXT
}

trap clean_up EXIT
trap 'exit 0' INT TERM HUP

require_ports
require_io_uring
if [ -z "${CASHEW:-}" ]; then
    swift build -c release --static-swift-stdlib --product cashew >&2 || fail "the build failed"
    CASHEW=.build/release/cashew
fi

folder=$(mktemp -d "${TMPDIR:-/tmp}/cashew-quickstart.XXXXXX")
for port in "${redis_ports[@]}"; do
    name="redis-server $port"
    mkdir "$folder/$port"
    start "$name" redis-server --bind 127.0.0.1 --port "$port" --dir "$folder/$port" \
        --logfile "$folder/${name// /-}.log"
done
for port in "${redis_ports[@]}"; do wait_for "$port" "redis-server"; done
start cashew "$CASHEW" -c "$configuration" -a 127.0.0.1 -s "$stats_port" -o ''
wait_for "$proxy_port" cashew
show_what_runs

# Until one of them ends, or a signal does. (`wait -n` would miss one that ended just before.)
while true; do
    require_alive
    sleep 0.1
done
