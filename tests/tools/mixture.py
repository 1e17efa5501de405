#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The parts of tests/net/long-mixture.sh that are not shell.
#
#   mixture.py faults CONTROL S3-HOST:PORT SEED SECONDS PID...   everything that the double can do wrong, in an order that the seed gives; all is well again at the end.
#                                                                The processes are stopped for a while now and then. Says what it does, a line each.
#   mixture.py tar SUMS                       a tar archive on standard input: each file is what SUMS says (sha256sum's format), and none is missing; those that
#                                             tar could not read, named on descriptor 3 (its standard error), are only looked for
#   mixture.py look DIR NAMES SECONDS STOP    lists DIR again and again, until the file STOP is there: no name of the file NAMES, as it then is, is ever missing, and no call
#                                             takes longer than SECONDS
#   mixture.py notes DIR WORD SECONDS STOP     small writes: files that are written and renamed, none of which fails or takes longer; says what stands in them, a line each
#   mixture.py read DIR SUMS SECONDS STOP     reads files of SUMS, in any order and from anywhere in them, likewise: right bytes or EIO
import errno
import hashlib
import os
import random
import signal
import sys
import tarfile
import time
import urllib.request

OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Double:
    def __init__(self, control):
        self.control = control

    def tell(self, method, path, text=""):
        request = urllib.request.Request(self.control + path, data=text.encode() if text else None, method=method)
        with OPENER.open(request, timeout=60) as answer:
            return answer.read().decode()


def rules(rnd, s3):
    """Of each kind one, with values of its own."""
    n, ms = rnd.randrange, rnd.randrange
    return [
        f"any:delay={ms(1, 800)}", "any:hang,count=2", "put:hang,count=1", "cdn:hang,count=3", "any:reset", f"s3:cut-request={n(60000)}",
        f"any:throttle={n(20000, 300000)}", "s3:fail=503", f"s3:fail=503,retry-after={n(3)}", f"cdn:fail=503,retry-after={n(3)}", "s3:fail=500", "s3:fail=409",
        "put:fail=412,count=2,prefix=.assetfs/journal/", "put:fail=412,count=1,prefix=files/", "create:fail=409", "part:reset", "complete:fail=409", "complete:fail=500",
        f"s3:fail=307,to={s3}", "s3:fail=400:RequestTimeout", "s3:fail=400:BadDigest", "s3:refuse", "put:html=200", "put:html", "put:lose", "any:lose",
        "create:lose", "part:lose", "complete:lose", "part:fail=500", "complete:error200", "complete:error200=SlowDown", "put:garbage,count=1",
        "put:garbage,count=1,prefix=files/", "cdn:spa", "cdn:html=200", "cdn:html", "cdn:fail=500", "cdn:fail=502", "cdn:fail=504", f"get:cut={n(70000)}",
        f"get:truncate={n(70000)}", f"get:corrupt={n(200000)}", f"origin:rot={n(200000)},count=1", "get:whole", "get:wrong-range", "get:chunked", "any:close",
        "any:clock=3600", "any:clock=-3600", f"any:backwards={n(1, 12)}", "origin:refuse", "origin:fail=500", "origin:fail=503", f"s3:fail=301,region=us-east-1,to={s3}", "s3:fail=400:ExpiredToken",
        f"origin:delay={ms(1, 800)}", f"any:late={ms(1, 500)}",
    ]


def begin(double, rnd, s3, pids):
    """Something begins to go wrong: what it is, and what ends it."""
    kind = rnd.random()
    if kind < 0.05:
        which = rnd.choice(["s3", "cdn", ""])
        double.tell("POST", "/offline", which)
        return f"offline {which}", lambda: double.tell("POST", "/online")
    if kind < 0.08:
        double.tell("POST", "/credentials", "revoke WRITERKEY")
        return "revoke", lambda: double.tell("POST", "/credentials", "restore WRITERKEY")
    if kind < 0.11:
        pid = rnd.choice(pids)
        os.kill(pid, signal.SIGSTOP)
        double.tell("POST", "/offline")  # its connections are cut meanwhile
        double.tell("POST", "/online")
        return f"stop {pid}", lambda: os.kill(pid, signal.SIGCONT)
    if kind < 0.15:
        setting = f"cache-all={rnd.randrange(2)}\nerror-ttl={rnd.randrange(4)}"
        double.tell("POST", "/settings", setting)
        return "settings " + setting.replace("\n", " "), lambda: None
    rule = rnd.choice(rules(rnd, s3))
    if rnd.random() < 0.6 and "count=" not in rule:
        rule += f",probability={rnd.choice([0.1, 0.3, 0.7])},seed={rnd.randrange(1000)}"
    number = double.tell("POST", "/faults", rule).strip()
    return rule, lambda: double.tell("DELETE", f"/faults/{number}")


def faults(control, s3, seed, seconds, *pids):
    double, rnd, pids = Double(control), random.Random(int(seed)), [int(p) for p in pids]
    start, ends = time.monotonic(), []
    while time.monotonic() - start < float(seconds):
        what, end = begin(double, rnd, s3, pids)
        print(f"{time.monotonic() - start:7.3f} {what}", flush=True)
        ends.append((time.monotonic() + rnd.uniform(0.3, 4), end))
        time.sleep(rnd.expovariate(3))
        for due in [e for e in ends if e[0] < time.monotonic()]:
            due[1]()
            ends.remove(due)
    for _, end in ends:
        end()
    double.tell("DELETE", "/faults")
    double.tell("POST", "/settings", "cache-all=0\nerror-ttl=10")
    double.tell("POST", "/purge")  # what has rotted there stays so
    print(f"{time.monotonic() - start:7.3f} all is well", flush=True)


def sums_of(path):
    with open(path) as f:
        return {name: digest for digest, name in (line.rstrip("\n").split("  ", 1) for line in f)}


def tar(sums):
    sums, seen, wrong = sums_of(sums), set(), {}
    with tarfile.open(fileobj=sys.stdin.buffer, mode="r|") as archive:
        for member in archive:
            name = member.name.removeprefix("./")
            if not member.isfile():
                continue
            seen.add(name)
            if hashlib.file_digest(archive.extractfile(member), "sha256").hexdigest() != sums[name]:
                wrong[name] = member.size
    while sys.stdin.buffer.read(1 << 16):
        pass
    said = os.fdopen(3).read()
    for line in said.splitlines():
        if "Input/output error" not in line and "padding with zeros" not in line and "Exiting with failure" not in line:
            sys.exit(f"tar says: {line}")
    for name in sums:
        if name not in said and (name in wrong or name not in seen):
            sys.exit(f"{name} " + ("has wrong bytes" if name in wrong else "is not in the archive"))


class Watch:
    """Complains of what takes too long."""

    def __init__(self, seconds):
        self.seconds = float(seconds)

    def __call__(self, what, call, *args):
        start = time.monotonic()
        try:
            return call(*args)
        finally:
            took = time.monotonic() - start
            if took > self.seconds:
                sys.exit(f"{what} took {took:.1f} s")


def names_below(top):
    return {os.path.relpath(os.path.join(d, f), top) for d, dirs, files in os.walk(top, onerror=sys.exit) for f in dirs + files}


def look(top, names, seconds, stop):
    watch = Watch(seconds)
    while not os.path.exists(stop):
        with open(names) as f:
            want = set(f.read().splitlines())
        missing = want - watch("listing", names_below, top)
        if missing:
            sys.exit(f"{len(missing)} of {len(want)} names are missing, {sorted(missing)[0]} among them")
        time.sleep(0.1)


def read_some(watch, path, rnd, whole):
    fd = watch(f"opening {path}", os.open, path, os.O_RDONLY)
    try:
        size = os.fstat(fd).st_size
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)  # of the kernel's cache we know that it works
        at, n = (0, size) if rnd.random() < 0.5 else (rnd.randrange(size), rnd.randrange(1, 300000))
        while n > 0 and at < size:
            got = watch(f"reading {path}", os.pread, fd, min(n, 1 << 17), at)
            if got != whole[at:at + len(got)] or not got:
                sys.exit(f"{path}: wrong bytes at {at}, {len(got)} of them")
            at += len(got)
            n -= len(got)
    finally:
        os.close(fd)


def write_note(path, text):
    with open(path, "w") as f:
        f.write(text)


def notes(top, word, seconds, stop):
    watch, n = Watch(seconds), 0
    while not os.path.exists(stop):
        n += 1
        text = f"note {n} of {word}"
        watch(f"writing note {n}", write_note, f"{top}/{n}", text + "\n")
        watch(f"renaming note {n}", os.rename, f"{top}/{n}", f"{top}/note-{n}")
        print(text, flush=True)
        time.sleep(0.2)


def read(top, sums, seconds, stop):
    watch, rnd, sums = Watch(seconds), random.Random(1), sums_of(sums)
    good = failed = 0
    while not os.path.exists(stop):
        name = rnd.choice(sorted(sums))
        with open(os.path.join(os.environ["SOURCE"], name), "rb") as f:
            whole = f.read()
        try:
            read_some(watch, os.path.join(top, name), rnd, whole)
            good += 1
        except OSError as e:
            if e.errno != errno.EIO:
                sys.exit(f"{name}: {e}")
            failed += 1
    print(f"{good} reads were right, {failed} failed")


{"faults": faults, "tar": tar, "look": look, "notes": notes, "read": read}[sys.argv[1]](*sys.argv[2:])
