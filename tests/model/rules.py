# SPDX-License-Identifier: GPL-2.0-or-later
"""Reference model of the namespace replication: many hosts, one journal, no lock.

The idea in four lines
  - entry n+1 can only be written by a host that has applied entry n (it carries n's hash), so the
    writer knows exactly the tree it changes: it merges first, then writes *plain row edits*;
  - apply(state, entry) therefore decides nothing; it checks and writes rows, so all hosts converge;
  - what a host has not committed yet is the difference between its view V and its confirmed tree C;
  - a foreign entry turns C into N, and merge(C, V, N) makes the new view: the conflict table lives
    there, runs on one host only, and its outcome is spelled out in that host's next entry.

`hosts.py --schedules N --seed S` explores random schedules and checks the invariants after each step;
`--without RULE` switches one rule off, to see that the invariants notice; `--replay SEED` tells one.
"""
from collections import Counter, namedtuple

ROOT = 1
EMPTY = ''                      # the content of an empty file: durable from the start, nothing to lose
Rec = namedtuple('Rec', 'type content mode')    # type f, d or l; content: content id or link target
Change = namedtuple('Change', 'names inodes')   # {(parent, name): (was, now)}, {ino: (was, now)}
Entry = namedtuple('Entry', 'seq host session nonce changes')

RULES = {
    'detect':    'conflicts are looked for at all (off: base = seq-1, as an entry alone would say)',
    'pin':       'the base of a handle open for writing is what it opened, not what it first wrote over',
    'dirstays':  'a directory that somebody wrote into comes back',
    'change':    'a removal gives way to a change it has not seen',
    'loop':      'a move that would close a loop is void',
    'onename':   'two moves of one inode leave one name',
    'component': 'changes that share a name row go into one atomic change',
    'order':     'a removal waits for what this host wrote before it',
    'replace':   'a replaced name is a change of content and waits for nothing (off: waits like an unlink)',
    'hold':      'a change that does not yet apply cleanly waits for those it needs',
    'nonce':     'a 412 is read back and compared with the entry in flight',
    'alias':     'a new directory that lost its name becomes the winner',
    'equal':     'equal content at one name is one file',
}


class Failure(Exception):
    pass


# ------------------------------------------------------------------------------------ the shared tree

class State:
    """One version of the tree: what a checkpoint holds. No row versions, no tombstones."""

    def __init__(self, seq=0, inodes=None, names=None, sessions=None):
        self.seq = seq
        self.inodes = inodes if inodes is not None else {ROOT: Rec('d', None, 0o755)}
        self.names = names if names is not None else {}
        self.sessions = sessions if sessions is not None else {}

    def copy(self):
        return State(self.seq, dict(self.inodes), dict(self.names), dict(self.sessions))

    def same(self, other):
        return self.inodes == other.inodes and self.names == other.names

    def rows_of(self, ino):
        return sorted(r for r, i in self.names.items() if i == ino)

    def children(self, ino):
        return sorted(r for r in self.names if r[0] == ino)

    def contents(self):
        return {r.content for r in self.inodes.values() if r.type == 'f'}


def loop_through(names, ino):
    """The directories met going up from ino, if that comes back to one of them; else nothing."""
    up = {i: r[0] for r, i in sorted(names.items())}
    path = []
    while ino != ROOT and ino in up:
        if ino in path:
            return path[path.index(ino):]
        path.append(ino)
        ino = up[ino]
    return []


def wrong(s):
    """Says why s is no tree, or None."""
    links = Counter(s.names.values())
    for (parent, name), ino in s.names.items():
        if ino not in s.inodes:
            return f'name {name} of {parent} leads to {ino}, which is not there'
        if parent not in s.inodes or s.inodes[parent].type != 'd':
            return f'name {name} stands in {parent}, which is no directory'
        if ino == ROOT:
            return 'the root has a name'
        if s.inodes[ino].type == 'd' and links[ino] != 1:
            return f'directory {ino} has {links[ino]} names'
    for ino in s.inodes:
        if ino != ROOT and not links[ino]:
            return f'inode {ino} has no name'
        if s.inodes[ino].type == 'd' and loop_through(s.names, ino):
            return f'directory {ino} is in a loop'
    return None


def apply_change(s, ch):
    """s with one atomic change, or None where the change does not fit s exactly."""
    if any(s.names.get(r) != was for r, (was, _) in ch.names.items()):
        return None
    if any(s.inodes.get(i) != was for i, (was, _) in ch.inodes.items()):
        return None
    t = s.copy()
    for ino, (_, now) in ch.inodes.items():
        t.inodes[ino] = now
    for row, (_, now) in ch.names.items():
        t.names.pop(row, None)
        if now is not None:
            t.names[row] = now
    held = set(t.names.values())
    for was, _ in ch.names.values():            # an inode goes with its last name
        if was is not None and was not in held:
            t.inodes.pop(was, None)
    return None if wrong(t) else t


def apply(s, entry):
    """Pure: the tree after an entry. A change that does not fit is void; only a broken writer makes one."""
    t = s.copy()
    t.seq = entry.seq
    t.sessions.setdefault(entry.session or entry.seq, entry.host)
    void = 0
    for ch in entry.changes:
        u = apply_change(t, ch)
        void += u is None
        t = u or t
    return t, void


# ---------------------------------------------------------------------------------------------- merge

def free_name(taken, row, host):
    """A conflict name that is free in every layer this host knows."""
    stem, dot, ext = row[1].rpartition('.')
    if not stem:
        stem, dot, ext = row[1], '', ''
    k = 1
    while True:
        mark = f' (conflicted copy, {host} DATE)' + (f' {k}' if k > 1 else '')
        if (row[0], stem + mark + dot + ext) not in taken:
            return row[0], stem + mark + dot + ext
        k += 1


FIRED = Counter()               # how often each outcome was met


class Merge:
    """merge(C, V, N): this host's uncommitted work, V over C, carried over to N. Rules M1 to M8."""

    def __init__(self, host, C, V, N):
        self.h, self.C, self.V, self.N = host, C, V, N
        self.off = host.world.off
        self.W = {}                             # our name rows over N: row -> ino or None
        self.I = {}                             # our records: ino -> Rec
        self.todo = []                          # (row, ino) still to be placed
        self.alias = {}

    def seen(self, ino):
        """The record this host's change was made against."""
        return self.h.held.get(ino) or self.C.inodes.get(ino)

    def run(self):
        C, V, N = self.C, self.V, self.N
        if 'detect' in self.off:
            return self.blind()
        for ino in sorted(V.inodes):
            self.record(ino)
        for row in sorted(set(C.names) | set(V.names)):
            was, now, theirs = C.names.get(row), V.names.get(row), N.names.get(row)
            if now == was:
                continue
            if now is not None:
                self.todo.append((row, now))
            elif theirs == was:                 # M2: we removed what still stands there
                self.W[row] = None
        while self.todo:
            self.place(*self.todo.pop(0))
        for _ in range(1000):
            if not self.repair():
                break
        else:
            raise Failure('merge does not end')
        for ino in set(self.h.held) - set(V.inodes):    # its last name went here: the merge is done now
            del self.h.held[ino]
        names = self.names()
        live = set(names.values()) | {ROOT}
        recs = {i: self.I.get(i) or N.inodes.get(i) or C.inodes.get(i) for i in live}
        return State(N.seq, recs, names, dict(N.sessions))

    def blind(self):
        """Last writer wins, row by row: what happens when nothing counts as concurrent."""
        C, V, N = self.C, self.V, self.N
        s = N.copy()
        for row in set(C.names) | set(V.names):
            if V.names.get(row) != C.names.get(row):
                s.names.pop(row, None)
                if row in V.names:
                    s.names[row] = V.names[row]
        for i, r in V.inodes.items():
            if i not in s.inodes or r != C.inodes.get(i):
                s.inodes[i] = r
        live = set(s.names.values()) | {ROOT}
        s.inodes = {i: r for i, r in s.inodes.items() if i in live}
        return s

    def record(self, ino):
        """M1: each inode, content and attributes apart, against the version that was seen."""
        b, o, t = self.seen(ino), self.V.inodes[ino], self.N.inodes.get(ino)
        opened = ino in self.h.open_inodes()
        self.I[ino] = o
        if b is None and t is None:
            return                              # made here, nobody else knows it
        if b is None:                           # both brought it back: the first committed has done it
            b = t if o.type != 'f' else t._replace(content=None)
        if t is None:                           # gone there
            if o.content != b.content or opened:        # M3: the change wins, with the names it had
                if 'change' not in self.off:
                    FIRED['M3 removed there, changed here'] += 1
                    for row in self.V.rows_of(ino):
                        if self.C.names.get(row) == ino:
                            self.todo.append((row, ino))
            return
        content = o.content
        if opened and t.content != b.content and 'pin' not in self.off:
            FIRED['M4 deferred while open'] += ino not in self.h.held
            self.h.held[ino] = b                # M4: not while somebody writes; settled at the last close
        else:
            self.h.held.pop(ino, None)
            if o.content == b.content:
                content = t.content
            elif t.content not in (b.content, o.content):
                FIRED['M5 both wrote the inode'] += 1
                copy = self.h.mint()            # M5: the first committed keeps the inode and its names
                self.I[copy] = o
                row = (self.V.rows_of(ino) or self.N.rows_of(ino))[0]
                self.todo.append((row, copy))
                self.h.moved_to_copy(ino, copy)
                content = t.content
        self.I[ino] = Rec(o.type, content, o.mode if o.mode != b.mode else t.mode)

    def names(self):
        names = dict(self.N.names)
        for row, ino in self.W.items():
            names.pop(row, None)
            if ino is not None:
                names[row] = ino
        return names

    def resolve(self, ino):
        while ino in self.alias:
            ino = self.alias[ino]
        return ino

    def place(self, row, ino):
        """M6: ino is to stand at row; who stands there already and was not seen there keeps the name."""
        row, ino = (self.resolve(row[0]), row[1]), self.resolve(ino)
        theirs, was = self.N.names.get(row), self.C.names.get(row)
        mine = self.W.get(row)
        if ino == theirs:
            if self.W.pop(row, None) is not None and mine != ino:
                self.collide(row, mine, theirs)     # two directories became one: what we had put there makes room
        elif mine is not None and mine != ino:
            self.collide(row, ino, mine)
        elif theirs is None or (theirs == was and self.resolve(self.V.names.get(row)) == ino):
            self.W[row] = ino
        else:
            self.collide(row, ino, theirs)

    def rec(self, ino):
        return self.I.get(ino) or self.N.inodes.get(ino) or self.C.inodes[ino]

    def collide(self, row, ino, other):
        a = self.rec(ino)
        b = self.rec(other)
        new = ino not in self.N.inodes          # nobody else has this inode: it may become the other
        if ino == other:
            self.W[row] = ino
        elif new and a.type == b.type == 'd' and 'alias' not in self.off:
            self.become(ino, other)
        elif new and a.type == b.type != 'd' and a.content == b.content and 'equal' not in self.off \
                and ino not in self.h.open_inodes() and other not in self.h.held:
            self.become(ino, other)
        else:
            taken = set(self.names()) | set(self.V.names) | set(self.C.names) | {r for r, _ in self.todo}
            FIRED['M6 conflict name, ' + a.type + b.type] += 1
            self.W[free_name(taken, row, self.h.name)] = ino

    def become(self, ino, other):
        """ino was never in the shared tree (or has left it): all that is ours about it goes to other."""
        FIRED['M6 became the other, ' + self.rec(ino).type] += 1
        self.alias[ino] = other
        a, b = self.I.pop(ino), self.rec(other)
        if a.mode != b.mode:
            self.I[other] = Rec(b.type, b.content, a.mode)
        for row in sorted(self.W):
            if row in self.W and (self.W[row] == ino or row[0] == ino):
                now = self.W.pop(row)
                if now is not None:
                    self.todo.append((row, now))
        while self.todo:
            self.place(*self.todo.pop(0))

    def repair(self):
        """One violation of N + W found and mended; False where there is none."""
        N, names = self.N, self.names()
        live = set(names.values()) | {ROOT}
        # M7: removed here, changed there (content not seen, or something put into the directory)
        for ino in sorted(set(N.inodes) - live):
            t, b = N.inodes[ino], self.seen(ino)
            if t.type == 'd':
                lost = 'dirstays' not in self.off and any(r[0] == ino for r in names)
            else:
                lost = 'change' not in self.off and (b is None or t.content != b.content or
                                                     ino in self.V.inodes)  # each side left another name
            if lost:
                FIRED['M7 removed here, changed there, ' + t.type] += 1
                row = N.rows_of(ino)[0]
                mine = self.W.pop(row)
                if mine is not None:
                    self.collide(row, mine, ino)
                return True
        # M7: removed there, written into here
        for row in sorted(self.W):
            parent = row[0]
            if self.W[row] is None:
                if parent not in live and parent not in N.inodes:
                    del self.W[row]
                    return True
            elif parent not in live:
                if 'dirstays' in self.off:
                    del self.W[row]
                    return True
                FIRED['M7 directory removed there, written into here'] += 1
                at = (self.V.rows_of(parent) or self.C.rows_of(parent))[0]
                self.I.setdefault(parent, self.V.inodes.get(parent) or self.C.inodes[parent])
                self.place(at, parent)
                return True
        # M8: one name for a directory, and for a file both sides moved: ours, the later
        for ino, n in sorted(Counter(names.values()).items()):
            if n > 1 and 'onename' not in self.off:
                ours = [r for r in sorted(self.W) if self.W[r] == ino]
                theirs = N.rows_of(ino)
                single = all(len(s.rows_of(ino)) < 2 for s in (self.C, self.V, N))
                if ours and (self.rec(ino).type == 'd' or (single and not any(
                        self.C.names.get(r) == ino for r in ours + theirs))):
                    for r in theirs + ours[1:]:
                        if self.W.get(r, ino) == ino and r != ours[0]:
                            FIRED['M8 moved by both, ' + self.rec(ino).type] += 1
                            self.W[r] = None
                            return True
        # M8: a loop: our move is void, the directory goes back to where the others have it
        for ino in sorted(live):
            ring = loop_through(names, ino) if 'loop' not in self.off else []
            for d in ring:
                mine = [r for r in self.W if self.W[r] == d]
                if d in N.inodes and mine:
                    FIRED['M8 loop'] += 1
                    for r in mine:              # who stood there stays away if we moved it, too
                        del self.W[r]
                        if N.names.get(r) in self.W.values():
                            self.W[r] = None
                    row = N.rows_of(d)[0]
                    there = self.W.pop(row, None)
                    if there is not None:
                        self.collide(row, there, d)
                    return True
            if ring:
                raise Failure(f'a loop without a move of ours: {ring}')
        return False
