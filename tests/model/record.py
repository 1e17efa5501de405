#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs random schedules of the model, and prints what went in and what must come out: for merge-replay each merge that hosts make on the way, as
tests/lib/merge_case.h has it; for apply-replay the journal, with the digest of the tree after each entry.

    record.py --schedules 1000 --seed 1 merges | tests/tools/merge-replay
    record.py --schedules 1000 --seed 1 journals | tests/tools/apply-replay

Merges of a host that has nothing of its own are left out, and what a schedule has had already. Beside a journal's own entries there are tries: changes of older entries, which
fit or do not.
"""
import argparse
import hashlib
import random
import sys

from hosts import Host, run, schedule
from rules import FIRED, ROOT, Change, apply_change

seen = set()
prefix = ''
count = 0


def record(rec):
    text = '-' if rec.type == 'd' or rec.content == '' else '?' if rec.content is None else rec.content
    return f'{rec.type} {rec.mode:o} {text}'


def tree(letter, s, base=None):
    """All of s; or where it differs from base."""
    inodes, names = (base.inodes, base.names) if base else ({}, {})
    for ino in sorted(set(s.inodes) | set(inodes)):
        if s.inodes.get(ino) != inodes.get(ino):
            yield f'{letter} inode {ino} ' + (record(s.inodes[ino]) if ino in s.inodes else 'x')
    for row in sorted(set(s.names) | set(names)):
        if s.names.get(row) != names.get(row):
            yield f'{letter} name {row[0]} {s.names.get(row, 0)} {row[1]}'


def wanted(host, old, new, copies):
    """The view over N, and what else a merge decides."""
    view = host.V
    for row in sorted(set(view.names) | set(new.names)):
        if view.names.get(row) != new.names.get(row):
            yield f'name {row[0]} {view.names.get(row, 0)} {row[1]}'
    for ino in sorted(view.inodes):
        if view.inodes[ino] != new.inodes.get(ino):
            yield f'inode {ino} {record(view.inodes[ino])}'
    for ino in sorted(old.alias):
        yield f'alias {ino} {old.resolve(ino)}'
    for ino, copy in sorted(copies):
        yield f'copy {ino} {copy}'
    for ino in sorted(host.held):
        yield f'held {ino} {record(host.held[ino])}'


def recorded_merge(host, new):
    global count
    confirmed, view = host.C.copy(), host.V.copy()
    before = [f'host {host.name}', f'next {((host.session or 0) << 20) + host.counter + 1}']
    before += tree('C', confirmed)
    before += tree('V', view, confirmed)
    before += tree('N', new, confirmed)
    before += [f'open {i}' for i in sorted(host.open_inodes())]
    before += [f'held {i} {record(r)}' for i, r in sorted(host.held.items())]
    pending = not view.same(confirmed) or host.held
    copies, made, plain_copy = [], [], host.moved_to_copy
    host.moved_to_copy = lambda ino, copy: copies.append((ino, copy)) or plain_copy(ino, copy)
    try:
        plain_merge(host, new, made)
    finally:
        del host.moved_to_copy
    lines = before + ['want ' + line for line in wanted(host, made[0], new, copies)]
    if pending and tuple(lines) not in seen:
        seen.add(tuple(lines))
        count += 1
        print(f'case {prefix}.{count}', *lines, 'end', '', sep='\n')


def plain_merge(host, new, made):
    """Host.merge(), with the Merge kept that it makes."""
    import hosts
    plain = hosts.Merge

    def make(*args):
        made.append(plain(*args))
        return made[0]
    hosts.Merge = make
    try:
        merge(host, new)
    finally:
        hosts.Merge = plain


merge = Host.merge


# Journals. The numbers of inodes have 24 bits below the session, the model's 20.

def number(ino):
    return ino if ino in (None, ROOT) else ino >> 20 << 24 | ino & 0xfffff


def state_text(s):
    for ino in sorted(s.inodes):
        yield f'{number(ino)} {record(s.inodes[ino])}\n'
    for row in sorted(s.names, key=lambda r: (number(r[0]), r[1].encode())):
        yield f'{number(row[0])} {number(s.names[row])} {row[1]}\n'


def print_change(ch):
    for row, (was, now) in sorted(ch.names.items()):
        print(f'name {number(row[0])} {number(was) or 0} {number(now) or 0} {row[1]}')
    for ino, (was, now) in sorted(ch.inodes.items()):
        before = 'absent' if was is None else 'plain' if was.type != 'f' or was.content == '' else was.content
        print(f'inode {number(ino)} {before} {record(now)}')


def with_modes_of(s, ch):
    """What an inode was is its content: attributes may have changed since."""
    inodes = {}
    for ino, (was, now) in ch.inodes.items():
        here = s.inodes.get(ino)
        same = was and here and was.type == here.type and (was.type != 'f' or was.content == here.content)
        inodes[ino] = (here if same else was, now)
    return Change(ch.names, inodes)


def print_try(rnd, s, changes):
    ch = with_modes_of(s, rnd.choice(changes))
    new = {ino >> 20 for ino, (was, _) in ch.inodes.items() if was is None}
    if len(new) > 1 or any(was and was.type != now.type for was, now in ch.inodes.values()):
        return
    print(f'change {max(new, default=1)}')
    print_change(ch)
    print('try fits' if apply_change(s, ch) else 'try void')


def print_journal(n, world):
    rnd = random.Random(n)
    older = []
    print(f'journal s{n}')
    for e, s in zip(world.journal, world.states[1:]):
        for ch in e.changes:
            print(f'change {e.session or e.seq}')
            print_change(ch)
            print('apply')
        print('state', hashlib.sha256(''.join(state_text(s)).encode()).hexdigest())
        older += e.changes
        for _ in range(2 if older else 0):
            print_try(rnd, s, older)
    print('end', flush=True)


def main():
    global prefix
    p = argparse.ArgumentParser(description='Records merges or journals of random schedules.')
    p.add_argument('--schedules', type=int, default=100)
    p.add_argument('--seed', type=int, default=1)
    p.add_argument('what', choices=['merges', 'journals'])
    a = p.parse_args()
    if a.what == 'merges':
        Host.merge = recorded_merge
    for n in range(a.seed, a.seed + a.schedules):
        prefix = f's{n}'
        seen.clear()
        why = run(*schedule(n))
        if why:
            print(f'schedule {n}: {why}', file=sys.stderr)
            return 1
        if a.what == 'journals':
            print_journal(n, run.world)
    for what, times in sorted(FIRED.items()):
        print(f'{times:7} {what}', file=sys.stderr)
    return 0


if __name__ == '__main__':
    sys.exit(main())
