#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Hosts that use the rules (rules.py), and random schedules of them: hosts.py --schedules N --seed S."""
import argparse
import random
import sys
import time
from collections import Counter

from rules import EMPTY, FIRED, ROOT, RULES, Change, Entry, Failure, Merge, Rec, State, apply, apply_change, free_name, loop_through, wrong

# --------------------------------------------------------------------------------------------- a host

ALL = ('create create mkdir mkdir rename rename rename unlink unlink rmdir rmtree exchange link symlink chmod write write '
       'truncate open hwrite fsync close save save save keep chdir').split()
MIXES = {
    'all': ALL,
    'files': ALL + 'create create write write write save save unlink unlink rename rename'.split(),
    'dirs': ALL + ['mkdir'] * 6 + ['movedir'] * 12 + ['rmdir', 'rmdir', 'rmtree', 'exchange', 'exchange'],
    'links': ALL + ['link'] * 8 + ['unlink'] * 8 + ['write'] * 4 + ['rename'] * 4,
    'open': ALL + ['open'] * 5 + ['hwrite'] * 8 + ['fsync'] * 4 + ['close'] * 3,
}


class Host:
    def __init__(self, world, name):
        self.world, self.name = world, name
        # survives a crash: one SQLite database, each method below is one transaction
        self.C, self.V = State(), State()       # confirmed tree; view (stored as pending rows over C)
        self.session, self.counter, self.op = None, 0, 0
        self.written = {}                       # ino -> number of its oldest uncommitted write
        self.removed = {}                       # name row -> number of its removal
        self.durable = {EMPTY}                  # content known to be in the bucket
        self.inflight = None                    # the entry last sent, until its number is known
        self.held = {}                          # ino -> record its open handles were opened on
        self.copies = {}                        # ino held -> the conflict copy an fsync made, and its content
        # does not survive
        self.handles = []                       # inodes open for writing
        self.opened = {}
        self.cwd = ROOT
        self.online = True

    def open_inodes(self):
        return set(self.handles)

    def mint(self):
        self.counter += 1
        return (self.session << 20) + self.counter

    def moved_to_copy(self, ino, copy):
        if ino in self.written:
            self.written[copy] = self.written.pop(ino)
        self.written.setdefault(copy, self.op)

    # -- what programs do; every call is atomic on the view

    def files(self, *types):
        return sorted(r for r, i in self.V.names.items() if self.V.inodes[i].type in types)

    def dirs(self):
        return [ROOT] + sorted(i for i, r in self.V.inodes.items() if r.type == 'd' and i != ROOT)

    def overwrite(self, ino, content, opened=None):
        rec = self.V.inodes[ino]
        if opened is None or rec.content == opened or any(h is self for h, _ in self.world.acked.get(rec.content, [])):
            self.world.kill(self, rec.content)  # else the program that writes has never seen it
        self.V.inodes[ino] = rec._replace(content=content)
        self.written.setdefault(ino, self.op)
        self.world.ack(self, content)

    def drop(self, row, replaced=False):
        """Takes a name away; with its last name an inode leaves the view."""
        ino = self.V.names.pop(row)
        if not replaced or 'replace' in self.world.off:
            self.removed[row] = self.op
        if not self.V.rows_of(ino):
            rec = self.V.inodes.pop(ino)
            self.world.dropped.add(ino)
            self.handles = [h for h in self.handles if h != ino]    # what is still open is private from now on
            if rec.type == 'f':
                self.world.kill(self, rec.content)
            self.written.pop(ino, None)

    def do(self, rnd, mix):
        """One random call."""
        if self.session is None:                # no numbers to give out yet: EROFS
            return 'no session'
        self.op += 1
        kind = rnd.choice(MIXES[mix])
        if rnd.random() < 0.2 and self.cwd in self.V.inodes:
            d = self.cwd
        else:
            d = rnd.choice(self.dirs())
        row = (d, rnd.choice(['a', 'b.x', 'c']))
        V = self.V
        files, every = ([r for r in self.files(*t) if r[1] != 'keep'] for t in ('f', 'fdl'))
        if kind in ('create', 'mkdir', 'symlink'):
            if row in V.names:
                return kind + ' EEXIST'
            ino = self.mint()
            content = {'create': self.world.content(self, rnd), 'mkdir': None, 'symlink': 'to' + str(rnd.randrange(2))}[kind]
            V.inodes[ino] = Rec({'create': 'f', 'mkdir': 'd', 'symlink': 'l'}[kind], content, 0o600)
            V.names[row] = ino
            self.written[ino] = self.op
            if kind == 'create':
                self.world.ack(self, content)
            return f'{kind} {row} = {ino} {content}'
        if kind in ('write', 'truncate', 'chmod', 'open') and (files if kind != 'chmod' else every):
            row = rnd.choice(files if kind != 'chmod' else every)
            ino = V.names[row]
            if kind == 'open':
                self.handles.append(ino)
                self.opened[ino] = V.inodes[ino].content    # for the checks only
            elif kind == 'chmod':
                V.inodes[ino] = V.inodes[ino]._replace(mode=rnd.choice([0o600, 0o644, 0o640]))
            else:
                self.overwrite(ino, EMPTY if kind == 'truncate' else self.world.content(self, rnd))
            return f'{kind} {row} = {ino} {V.inodes[ino].content}'
        if kind == 'hwrite' and self.handles:
            ino = rnd.choice(self.handles)
            self.overwrite(ino, self.world.content(self, rnd), self.opened[ino])
            return f'hwrite {ino} {V.inodes[ino].content}'
        if kind == 'fsync' and self.handles:    # must not hang on a deferred merge: what is there now becomes the copy
            ino = rnd.choice(self.handles)
            if ino in self.held and ino in V.inodes and V.inodes[ino].content not in (
                    self.held[ino].content, self.C.inodes[ino].content):
                copy = self.copy_of(ino)
                if copy is None:
                    copy = self.mint()
                    V.names[free_name(set(V.names) | set(self.C.names), V.rows_of(ino)[0], self.name)] = copy
                V.inodes[copy] = V.inodes[ino]
                self.copies[ino] = copy, V.inodes[ino].content
                self.written.setdefault(copy, self.written.pop(ino, self.op))   # removals wait for the copy
                return f'fsync {ino}, copy {copy}'
            return 'fsync'
        if kind == 'close' and self.handles:
            ino = self.handles.pop(rnd.randrange(len(self.handles)))
            self.settle(ino)
            return f'close {ino}'
        if kind == 'chdir':
            self.cwd = d
            return f'chdir {d}'
        if kind == 'keep':                      # a name that is only ever replaced: it must never be missing
            d, row = ROOT, (ROOT, 'keep')
        if kind in ('save', 'keep'):            # an editor, rsync: a temporary file renamed over the name
            ino = self.mint()
            V.inodes[ino] = Rec('f', self.world.content(self, rnd), 0o600)
            self.world.ack(self, V.inodes[ino].content)
            self.written[ino] = self.op
            V.names[(d, '.tmp')] = ino if (d, '.tmp') not in V.names else V.names[(d, '.tmp')]
            if V.names[(d, '.tmp')] != ino:
                self.world.kill(self, V.inodes.pop(ino).content)
                del self.written[ino]
                return 'save EEXIST'
            if rnd.random() < 0.2:
                return f'save {(d, ".tmp")} = {ino} without its rename'
            return self.rename((d, '.tmp'), row)
        if kind == 'movedir':
            kind, every = 'rename', self.files('d')
        if kind == 'rename' and every:
            return self.rename(rnd.choice(every), row)
        if kind == 'exchange' and len(every) > 1:
            a, b = rnd.sample(every, 2)
            x, y = V.names[a], V.names[b]
            V.names[a], V.names[b] = y, x
            if wrong(V):
                V.names[a], V.names[b] = x, y
                return 'exchange EINVAL'
            return f'exchange {a} {b}'
        if kind == 'link' and files and row not in V.names:
            ino = V.names[rnd.choice(files)]
            V.names[row] = ino
            self.world.linked.add(ino)
            self.written.setdefault(ino, self.op)
            return f'link {row} = {ino}'
        leaves = [r for r in every if V.inodes[V.names[r]].type != 'd']
        if kind == 'unlink' and leaves:
            row = rnd.choice(leaves)
            ino = V.names[row]
            self.drop(row)
            self.settle(ino)
            return f'unlink {row} = {ino}'
        if kind == 'rmdir':
            empty = [r for r in self.files('d') if not V.children(V.names[r])]
            if empty:
                self.drop(row := rnd.choice(empty))
                return f'rmdir {row}'
        if kind == 'rmtree' and self.files('d'):
            def down(r):
                for c in V.children(V.names[r]) if V.inodes[V.names[r]].type == 'd' else []:
                    down(c)
                ino = V.names[r]
                self.drop(r)
                self.settle(ino)
                gone.append(r)
            gone = []
            row = rnd.choice(self.files('d'))
            if not self.held:
                down(row)
            return f'rmtree {gone}'
        return kind + ' nothing'

    def rename(self, src, dst):
        V = self.V
        ino, over = V.names[src], V.names.get(dst)
        if src == dst or ino == over:
            return 'rename same'
        if over is not None:
            if V.inodes[over].type == 'd' and (V.inodes[ino].type != 'd' or V.children(over)):
                return 'rename ENOTEMPTY'
            if V.inodes[over].type != 'd' and V.inodes[ino].type == 'd':
                return 'rename ENOTDIR'
        trial = V.copy()
        del trial.names[src]
        trial.names[dst] = ino
        if loop_through(trial.names, ino):
            return 'rename EINVAL'
        if over is not None:
            self.drop(dst, replaced=True)
        del V.names[src]
        V.names[dst] = ino
        if over is not None:
            self.settle(over)
        return f'rename {src} -> {dst} = {ino} over {over}'

    def copy_of(self, ino):
        """The conflict copy an fsync made, as long as nobody else has written it."""
        copy, content = self.copies.get(ino, (None, None))
        return copy if copy in self.V.inodes and self.V.inodes[copy].content == content else None

    def settle(self, ino):
        """A deferred merge is made up for when the last writer has closed, or the name has gone."""
        if ino in self.held and (ino not in self.handles or ino not in self.V.inodes):
            keep, self.handles = self.handles, [h for h in self.handles if h != ino]
            copy = self.copy_of(ino)
            self.copies.pop(ino, None)
            if copy and ino in self.V.inodes:   # an fsync has made the copy already
                if self.V.inodes[copy].content != self.V.inodes[ino].content:
                    self.world.kill(self, self.V.inodes[copy].content)
                    self.written.setdefault(copy, self.op)
                self.V.inodes[copy] = self.V.inodes[ino]
                self.V.inodes[ino] = self.V.inodes[ino]._replace(content=self.held[ino].content)
            self.merge(self.C)
            self.handles = keep

    # -- pending work into an entry

    def components(self):
        """Dirty rows grouped into the smallest changes that leave no rename half done."""
        C, V = self.C, self.V
        names = {r: (C.names.get(r), V.names.get(r)) for r in set(C.names) | set(V.names)
                 if C.names.get(r) != V.names.get(r)}
        inodes = {}
        for i, rec in V.inodes.items():
            if i in self.held:                  # its content is not settled; its names and mode are
                rec = rec._replace(content=C.inodes[i].content if i in C.inodes else rec.content)
            if rec != C.inodes.get(i):
                inodes[i] = (C.inodes.get(i), rec)
        head = {}

        def find(i):
            while head.setdefault(i, i) != i:
                i = head[i]
            return i
        for i in inodes:
            find(i)
        for was, now in names.values():
            both = [i for i in (was, now) if i is not None]
            if 'component' not in self.world.off:
                head[find(both[0])] = find(both[-1])
            else:
                find(both[-1])
        out = {}
        for row, (was, now) in sorted(names.items()):
            at = find(now if now is not None else was)
            out.setdefault(at, Change({}, {})).names[row] = (was, now)
        for i, pair in inodes.items():
            out.setdefault(find(i), Change({}, {})).inodes[i] = pair
        return [out[k] for k in sorted(out)]

    def build(self):
        """The changes that may be committed now, in an order in which each applies cleanly."""
        comps = self.components()

        def durable(ch):
            return all(now.type != 'f' or now.content in self.durable for _, now in ch.inodes.values())

        def stamp(ch):                          # the newest removal in it
            return max([self.removed.get(r, 0) for r, (was, now) in ch.names.items() if was is not None and now is None], default=0)

        def oldest(ch):                         # the oldest write in it
            inos = set(ch.inodes) | {now for _, now in ch.names.values()}
            return min([self.written[i] for i in inos if i in self.written], default=1 << 60)

        chosen = [c for c in comps if durable(c)]
        while True:
            if 'order' not in self.world.off:
                while True:
                    left = [c for c in comps if c not in chosen]
                    bar = min([oldest(c) for c in left], default=1 << 60)
                    for i in self.held:
                        bar = min(bar, self.written.get(i, 1 << 60))
                    ok = [c for c in chosen if stamp(c) < bar]
                    if len(ok) == len(chosen):
                        break
                    chosen = ok
            if 'hold' in self.world.off:
                return chosen
            s, done, rest, again = self.C, [], list(chosen), True
            while again and rest:
                again = False
                for c in list(rest):
                    t = apply_change(s, c)
                    if t:
                        s, again = t, True
                        done.append(c)
                        rest.remove(c)
            if not rest:
                return done
            one = Change({r: p for c in rest for r, p in c.names.items()}, {i: p for c in rest for i, p in c.inodes.items()})
            if apply_change(s, one):
                FIRED['B  changes joined into one'] += 1     # they need each other
                return done + [one]
            chosen = done

    # -- talking to the bucket

    def upload(self, rnd):
        waiting = sorted({r.content for r in self.V.inodes.values() if r.type == 'f'} - self.durable)
        if waiting:
            self.durable.add(rnd.choice(waiting))
            return 'upload'
        return 'upload nothing'

    def commit(self, answer_lost):
        """Records what is sent, then sends it. The same bytes until the number is known."""
        if self.inflight is None:
            changes = [] if self.session is None else self.build()
            if self.session is not None and not changes:
                return 'commit nothing'
            self.world.nonce += 1
            self.inflight = Entry(self.C.seq + 1, self.name, self.session, self.world.nonce, changes)
        sent = self.inflight
        won = self.world.put_if_absent(sent)
        if answer_lost:
            return f'commit {sent.seq} answer lost (won={won})'
        if won:
            self.read_next()
        return f'commit {sent.seq} won={won} {sent.changes}'

    def read_next(self):
        """Fetches, applies and merges the next entry, if there is one: one transaction."""
        if self.C.seq >= len(self.world.journal):
            return 'follow nothing'
        e = self.world.journal[self.C.seq]
        ours = self.inflight is not None and e.nonce == self.inflight.nonce and (
            'nonce' not in self.world.off or e.session is None)
        N, void = apply(self.C, e)
        if void:
            raise Failure(f'entry {e.seq} of {e.host} has a void change: {e.changes}')
        for ch in e.changes:
            self.durable.update(now.content for _, now in ch.inodes.values() if now.type == 'f')
        self.inflight = None                    # sent under this number: won, or lost and built anew
        if ours:
            if e.session is None:
                self.session = e.seq
            self.C = N                          # the view stays; what is now in both is no longer pending
            self.V.seq, self.V.sessions = N.seq, dict(N.sessions)
        else:
            self.merge(N)
        self.prune()
        return f'follow {e.seq}' + (' (ours)' if ours else '')

    def merge(self, N):
        m = Merge(self, self.C, self.V, N)
        self.V = m.run()
        self.C = N
        self.cwd = m.resolve(self.cwd)
        for old, new in m.alias.items():
            self.written.pop(old, None)
            if old in self.world.linked:
                self.world.linked.add(new)
            if self.V.inodes.get(new) != N.inodes.get(new):
                self.written.setdefault(new, self.op)
        self.prune()

    def prune(self):
        for i in list(self.held):
            if i not in self.V.inodes or i not in self.C.inodes:
                del self.held[i]
                self.copies.pop(i, None)
        dirty = {i for c in self.components() for i in list(c.inodes) + [n for _, n in c.names.values()]}
        dirty |= set(self.held)
        self.written = {i: n for i, n in self.written.items() if i in dirty}
        self.removed = {r: n for r, n in self.removed.items() if self.C.names.get(r) != self.V.names.get(r)}

    def crash(self):
        self.handles, self.cwd = [], ROOT
        for ino in sorted(self.held):
            self.settle(ino)


# ------------------------------------------------------------------------- the world, and what must hold

class World:
    def __init__(self, hosts, off=()):
        self.off = set(off)
        self.journal, self.nonce, self.writes = [], 0, 0
        self.states = [State()]                 # the tree at each sequence number
        self.acked = {}                         # content id -> [(host, op)], newest last
        self.killed = {}                        # content id -> hosts that overwrote or removed it, having seen it
        self.where = {}                         # content id -> sequence number that brought it
        self.brought, self.kept = {}, set()     # inode -> sequence number that brought it; names never removed
        self.dropped = set()                    # inodes whose last name somebody took away
        self.linked = set()                     # inodes that were ever given a second name
        self.hosts = [Host(self, 'h%d' % i) for i in range(hosts)]

    def content(self, host, rnd):
        if rnd.random() < 0.25:
            return 'same%d' % rnd.randrange(3)  # what two hosts may well write alike
        self.writes += 1
        return f'{host.name}.{self.writes}'

    def ack(self, host, content):
        if content != EMPTY:
            self.acked.setdefault(content, []).append((host, host.op))

    def kill(self, host, content):
        if content:
            self.killed.setdefault(content, set()).add(host)

    def put_if_absent(self, entry):
        if entry.seq != len(self.journal) + 1:
            return False
        before = self.states[-1]
        after, void = apply(before, entry)
        self.journal.append(entry)
        self.states.append(after)
        if void:
            raise Failure(f'{entry.host} wrote a void change: {entry.changes}')
        for i in after.inodes:
            self.brought.setdefault(i, entry.seq)
        self.kept |= {r for r in after.names if r[1] == 'keep'}
        for c in after.contents():
            self.where.setdefault(c, entry.seq)
        self.check_order(entry, after)
        return True

    def check_order(self, entry, after):
        """Nothing leaves the shared tree before what its host wrote earlier is in it."""
        host = next(h for h in self.hosts if h.name == entry.host)
        for ch in entry.changes:
            for row, (was, now) in ch.names.items():
                gone = was is not None and now is None and was not in after.names.values()
                at = host.removed.get(row, 0) if gone else 0
                for c, acks in self.acked.items():
                    if c not in self.where and c not in self.killed and any(h is host and n < at for h, n in acks):
                        raise Failure(f'{row} removed (op {at}) before {c} is durable')

    def check(self):
        head = self.states[-1]
        for h in self.hosts:
            if not h.C.same(self.states[h.C.seq]):
                raise Failure(f'{h.name} differs from the others at {h.C.seq}')
            for what, s in (('confirmed tree', h.C), ('view', h.V)):
                if wrong(s):
                    raise Failure(f'{what} of {h.name}: {wrong(s)}')
                links = Counter(s.names.values())
                for i, n in links.items():
                    if n > 1 and i not in self.linked:
                        raise Failure(f'{what} of {h.name}: {i} has {n} names {s.rows_of(i)}, but nobody linked it')
        for i, seq in self.brought.items():
            if i not in head.inodes and i not in self.dropped:
                raise Failure(f'inode {i}, committed in {seq}, is gone and nobody removed it')
        keep = (ROOT, 'keep')
        for h in self.hosts:
            if keep not in h.V.names and keep in h.C.names or keep in self.kept and keep not in head.names:
                raise Failure(f'{keep} is missing')
        if len(self.hosts) == 1 and any('conflicted' in r[1] for r in self.hosts[0].V.names):
            raise Failure('a host in conflict with itself')
        inside = head.contents()
        views = {h: h.V.contents() for h in self.hosts}
        for c, acks in self.acked.items():
            if c in self.killed:
                continue
            if c in self.where:
                if c not in inside:
                    raise Failure(f'{c}, committed in {self.where[c]}, is lost and nobody who saw it removed it')
                for h in self.hosts:
                    if h.C.seq >= self.where[c] and c not in views[h] and not h.held:
                        raise Failure(f'{c}, committed in {self.where[c]}, cannot be seen on {h.name}')
            else:
                h = acks[-1][0]
                if c not in views[h]:
                    raise Failure(f'{c}, acknowledged on {h.name}, cannot be seen there')

    def step(self, who, kind, seed):
        h, rnd = self.hosts[who % len(self.hosts)], random.Random(seed)
        if kind in MIXES:
            what = h.do(rnd, kind)
        elif kind == 'crash':
            what = h.crash() or 'crash'
        elif kind == 'link':
            h.online = not h.online
            what = 'online' if h.online else 'offline'
        elif not h.online:
            what = 'is offline'
        elif kind == 'upload':
            what = h.upload(rnd)
        elif kind == 'commit':
            what = h.commit(rnd.random() < 0.2)
        else:
            what = h.read_next()
        self.check()
        return f'{h.name} {what}'

    def quiesce(self):
        """All online, nobody writes any more: every view must become the one confirmed tree."""
        for h in self.hosts:
            h.online = True
            h.crash()
        for _ in range(60):
            for h in self.hosts:
                while h.upload(random.Random(0)) == 'upload':
                    pass
                while h.read_next() != 'follow nothing':
                    pass
                h.commit(False)
                self.check()
            if all(h.C.seq == len(self.journal) and h.C.same(h.V) and h.session for h in self.hosts):
                return
        left = [(h.name, h.components()) for h in self.hosts]
        raise Failure(f'does not come to rest: {left}')


# ------------------------------------------------------------------------------------------- exploring

def schedule(seed):
    rnd = random.Random(seed)
    hosts = rnd.choice([1, 2, 2, 2, 3, 3, 4])
    calm = rnd.random()                         # some schedules talk to the bucket often, some hardly
    mix = rnd.choice(sorted(MIXES))
    steps = [(i, k, 0) for i in range(hosts) for k in ('commit', 'follow', 'commit', 'follow')] * hosts
    if rnd.random() < 0.7:                      # a tree all hosts know, to fight over
        steps += [(0, mix, rnd.getrandbits(32)) for _ in range(10)] + [(0, 'upload', 1)] * 8 + [(0, 'commit', 7)] * 2
        steps += [(i, 'follow', 0) for i in range(hosts) for _ in range(hosts + 4)]
    for _ in range(rnd.randrange(10, 90)):
        kind = rnd.choices([mix, 'upload', 'commit', 'follow', 'crash', 'link'],
                           [10, 4 + 6 * calm, 1 + 4 * calm, 1 + 4 * calm, 0.4, 0.3])[0]
        steps.append((rnd.randrange(hosts), kind, rnd.getrandbits(32)))
    return hosts, steps


def run(hosts, steps, off=(), tell=None):
    """The failure of one schedule, or None."""
    world = World(hosts, off)
    try:
        for s in steps:
            what = world.step(*s)
            if tell:
                tell(f'{what}')
        world.quiesce()
    except Failure as f:
        return str(f)
    except (KeyError, IndexError, AttributeError) as f:
        if tell:
            raise
        return f'{type(f).__name__} {f}'
    finally:
        run.world = world
    return None


def minimise(hosts, steps, off):
    """A short schedule that still fails: chunks of steps left out while it does."""
    size = len(steps) // 2
    while size:
        i = 0
        while i < len(steps):
            fewer = steps[:i] + steps[i + size:]
            if run(hosts, fewer, off):
                steps = fewer
            else:
                i += size
        size //= 2
    return steps


def main():
    p = argparse.ArgumentParser(description='Explores random schedules of the namespace replication.')
    p.add_argument('--schedules', type=int, default=1000)
    p.add_argument('--seed', type=int, default=1)
    p.add_argument('--without', action='append', default=[], choices=sorted(RULES), help='switch a rule off')
    p.add_argument('--replay', type=int, help='tell this one schedule')
    p.add_argument('--keep-going', action='store_true', help='count failures instead of stopping at the first')
    a = p.parse_args()
    if a.replay is not None:
        hosts, steps = schedule(a.replay)
        print(run(hosts, steps, a.without, print) or 'holds')
        return 0
    failures, began, totals = Counter(), time.time(), Counter()
    for n in range(a.seed, a.seed + a.schedules):
        hosts, steps = schedule(n)
        why = run(hosts, steps, a.without)
        totals['steps'] += len(steps)
        totals['entries'] += len(run.world.journal)
        totals['conflict copies'] += sum('conflicted' in r[1] for r in run.world.states[-1].names)
        if not why:
            continue
        failures[why.split(':')[0][:40]] += 1
        print(f'schedule {n}: {why}', flush=True)
        if not a.keep_going:
            short = minimise(hosts, steps, a.without)
            print(f'shortest form found, {len(short)} steps of {len(steps)}:')
            print(run(hosts, short, a.without, lambda t: print('  ', t)))
            return 1
    print(f'{a.schedules} schedules from seed {a.seed}, {dict(totals)}, {time.time() - began:.0f} s, '
          f'{sum(failures.values())} failures')
    for what, n in sorted(FIRED.items()):
        print(f'  {n:7} {what}')
    for why, n in failures.most_common(8):
        print(f'  {n:6} {why}...')
    return 1 if failures else 0


if __name__ == '__main__':
    sys.exit(main())
