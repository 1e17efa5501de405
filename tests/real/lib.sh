# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# What tests/real/s3 and tests/real/cdn share. Both keep everything below one directory, and a pid file for each process; they start nothing twice, and stop
# only what has its pid in there and names that directory in its command line.

die() {
    echo "${0##*/}: $*" >&2
    exit 1
}

need() {
    local program
    for program; do
        command -v "$program" >/dev/null || die "there is no $program here: run scripts/install-deps real"
    done
}

# is_up DIR NAME
is_up() {
    local pid
    { read -r pid <"$1/$2.pid"; } 2>/dev/null && grep -qsF -- "$1/" "/proc/$pid/cmdline"
}

# Not before its last thread is gone, and with it every port and file. A zombie has none.
is_running() {
    [ "$(sed 's/^.*) //; s/ .*//' "/proc/$1/task"/*/stat 2>/dev/null | grep -c '[^ZX]')" -gt 0 ]
}

# A daemon must not keep what its caller has open: a lock, the pipe of a test's log.
close_fds() {
    local fd
    for fd in /proc/self/fd/*; do
        fd=${fd##*/}
        [ "$fd" -le 2 ] || exec {fd}>&-
    done
}

# spawn DIR NAME COMMAND...: in the background, in a session of its own.
spawn() {
    local dir=$1 name=$2
    shift 2
    (
        close_fds
        exec setsid "$@" </dev/null >"$dir/$name.out" 2>&1
    ) &
    echo $! >"$dir/$name.pid"
}

# stop DIR NAME [SIGNAL]: returns when the process is gone.
stop() {
    local pid tries=0
    if is_up "$1" "$2"; then
        read -r pid <"$1/$2.pid"
        kill "-${3:-TERM}" "$pid"
        while is_running "$pid"; do
            tries=$((tries + 1))
            [ "$tries" -ne 150 ] || kill -KILL "$pid"
            sleep 0.1
        done
    fi
    rm -f "$1/$2.pid"
}

# Nobody else may start the same thing in the same directory meanwhile.
lock() {
    mkdir -p "$1"
    exec {lock_fd}>"$1/lock"
    flock "$lock_fd"
}

# Below what the kernel gives to outgoing connections, and nobody listens there.
free_port() {
    local port
    while :; do
        port=$((20000 + RANDOM % 12000))
        (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || break
    done
    echo "$port"
}

# Fills in @NAME@ of a template: fill TEMPLATE NAME=VALUE...
fill() {
    local text pair
    text=$(<"$1")
    shift
    for pair; do
        text=${text//"@${pair%%=*}@"/"${pair#*=}"}
    done
    printf '%s\n' "$text"
}

# make_certificate DIR: of a private authority made on the spot, for the names under which a server on this machine can be called.
make_certificate() {
    mkdir -p "$1"
    (
        cd "$1"
        umask 077
        openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 -subj "/CN=assetfs test authority" \
            -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign -keyout ca.key -out ca.pem
        openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=localhost" -keyout server.key -out server.csr
        printf '%s\n' "subjectAltName = DNS:localhost, DNS:assets.localhost, IP:127.0.0.1" "extendedKeyUsage = serverAuth" >server.ext
        openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 3650 -extfile server.ext -out server.pem
    ) >"$1/out" 2>&1 || die "no certificate: $(tail -n 3 "$1/out")"
}
