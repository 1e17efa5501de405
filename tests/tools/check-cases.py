#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""assetfs check against deployments that are broken, one thing at a time: check-cases.py ASSETFS CONTROL [CASE...]

The double is told what is wrong (tests/double/control.h), `assetfs check --json test` is run, and its findings are compared with
what the case expects: those it names, and "ok" or "note" for all the others. What is set is taken back after each case.
The environment is that of the test which runs this: configuration and credentials of the volume "test", which has been made, and of "direct",
which is the same one without its CDN.
"""
import json
import os
import re
import subprocess
import sys
import urllib.request

ASSETFS, CONTROL = sys.argv[1:3]
USUAL = ["demand-condition=1", "error-ttl=0", "cache-all=0", "ignore-condition=0", "ignore-digest=0", "public-read=0", "public-write=0",
         "cdn-writes=0", "cdn-list=0", "kms=0", "cors=0"]
SCOPE = "scope WRITERKEY .assetfs/,files/"
KMS = "message=User: arn:aws:iam::111122223333:user/w is not authorized to perform: kms:%s on this resource"
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
CASES = []


def tell(path, text="", method="POST"):
    request = urllib.request.Request(CONTROL + path, data=text.encode() if text else None, method=method)
    with opener.open(request, timeout=20) as answer:
        return answer.read().decode()


def case(name, expect, settings=(), faults=(), keys=(), args=(), env=None, before=None, status=None, volume="test"):
    """expect: {check: (result, a regular expression that found, means or do has)}; None: that there is no such check"""
    CASES.append(dict(name=name, expect=expect, settings=settings, faults=faults, keys=keys, args=args, env=env or {}, before=before,
                      status=status, volume=volume))


def remove_probe():
    os.unlink(os.environ["BUCKET"] + "/.assetfs/check")


# ---- all is well

case("well", {c: ("ok", ".") for c in
              "credentials endpoint region clock digest put condition overwrite content elsewhere delete get list public-get public-put cdn "
              "journal missing error-caching cdn-list cdn-put cdn-delete cdn-put:files/ cdn-delete:files/ open:files/ volume".split()}, status=0)
case("well, the first time", {"put": ("ok", r"^200 "), "kms": ("ok", "AES256")}, before=remove_probe, status=0)
case("no CDN", {"get": ("ok", "200"), "cdn": None, "journal": None, "volume": ("ok", "key"), "delete": ("ok", ".")}, volume="direct", keys=["allow WRITERKEY get"], status=0)

# ---- the writer

case("the writer may put anywhere", {"elsewhere": ("warning", "outside")}, keys=["scope WRITERKEY ."] + ["scope WRITERKEY .assetfs/,files/,assetfs-"], status=3)
case("the writer may put nothing", {"put": ("broken", "s3:PutObject"), "condition": None, "cdn": ("note", "not looked at")},
     keys=["scope WRITERKEY elsewhere/"], status=1)
case("the writer may not put contents", {"content": ("broken", "s3:PutObject")}, keys=["scope WRITERKEY .assetfs/"], status=1)
case("the writer may read", {"get": ("warning", "past the CDN")}, keys=["allow WRITERKEY get"], status=3)
case("the writer may list", {"list": ("warning", "s3:ListBucket")}, keys=["allow WRITERKEY list"], status=3)
case("the writer may delete", {"delete": ("warning", "s3:DeleteObject")}, keys=["allow WRITERKEY delete"], status=3)
case("the writer may overwrite", {"overwrite": ("warning", "Deny statement")}, settings=["demand-condition=0"], status=3)
case("no conditional put", {"condition": ("broken", "cannot hold a volume")}, settings=["ignore-condition=1"], status=1)
case("bytes are not verified", {"digest": ("broken", "damage")}, settings=["ignore-digest=1"], before=remove_probe, status=1)
case("bytes are not verified, and puts may replace: nothing is put elsewhere", {"digest": ("broken", "damage"), "overwrite": ("warning", "."),
     "content": None, "elsewhere": None, "cdn-put": ("ok", "."), "cdn-put:files/": None, "cdn-delete:files/": ("ok", ".")}, settings=["ignore-digest=1", "demand-condition=0"], before=remove_probe, status=1)
case("no If-None-Match known", {"put": ("broken", "cannot hold a volume")}, faults=["put:fail=501:NotImplemented"], status=1)
case("revoked credentials", {"put": ("broken", "InvalidAccessKeyId.*deleted")}, keys=["revoke WRITERKEY"], status=1)
case("expired credentials", {"put": ("broken", "ExpiredToken")}, keys=["expire WRITERKEY"], status=1)
case("a wrong secret", {"put": ("broken", "SignatureDoesNotMatch")}, env={"AWS_SECRET_ACCESS_KEY": "wrong"}, status=1)
case("no credentials", {"credentials": ("broken", "AWS_ACCESS_KEY_ID"), "put": None},
     env={"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}, status=1)
case("KMS: the writer may not generate keys", {"kms": ("broken", "kms:GenerateDataKey"), "put": ("broken", "KMS")},
     faults=["put:fail=403:AccessDenied," + KMS % "GenerateDataKey"], status=1)
case("KMS: the key is disabled", {"kms": ("broken", "disabled"), "put": ("broken", "disabled")}, faults=["put:fail=400:KMS.DisabledException"], status=1)
case("KMS: it works", {"kms": ("note", "kms:Decrypt")}, settings=["kms=1"], before=remove_probe, status=0)
case("a VPC endpoint's policy", {"put": ("broken", "VPC endpoint")},
     faults=["put:fail=403:AccessDenied,message=with an explicit deny in a VPC endpoint policy"], status=1)

# ---- where and when

case("another region", {"region": ("warning", "eu-west-3.*us-east-1"), "put": ("ok", ".")}, env={"AWS_REGION": "eu-west-3"}, status=3)
case("a region nobody can find", {"region": ("broken", "region=")}, faults=["s3:fail=301:PermanentRedirect"], status=1)
case("no such bucket", {"put": ("broken", "no such bucket")}, faults=["s3:fail=404:NoSuchBucket"], status=1)
case("a clock of 5 minutes", {"clock": ("warning", "(299|300|301) s behind"), "put": ("ok", ".")}, faults=["s3:clock=300"], status=3)
case("a clock of an hour", {"clock": ("warning", "(3599|3600|3601) s ahead"), "put": ("ok", ".")}, faults=["s3:clock=-3600"], status=3)
case("S3 busy for a moment", {"put": ("ok", ".")}, faults=["put:fail=500,count=2"], status=0)
case("S3 in trouble", {"put": ("broken", "failure")}, faults=["put:fail=500"], status=1)
case("an endpoint that answers HTML", {"endpoint": ("broken", "log-in page|wrong endpoint"), "put": None, "clock": None},
     faults=["s3:html=200"], status=1)
case("an endpoint that answers HTML with 403", {"endpoint": ("broken", "endpoint="), "put": None}, faults=["s3:html=403"], status=1)
case("S3 cuts connections", {"endpoint": ("broken", "nobody answers"), "put": None}, faults=["s3:reset"], status=1)
case("terminal codes in a server's answer", {"put": ("broken", "s3:PutObject")}, faults=["put:fail=403:AccessDenied,message=a\x1b[2Jb"], status=1)

# ---- the public

case("a public bucket", {"public-get": ("broken", "Block Public Access")}, settings=["public-read=1"], status=1)
case("a bucket everybody may write to", {"public-put": ("broken", "everybody can put")}, settings=["public-write=1"], status=1)

# ---- the CDN

case("the CDN may not read", {"cdn": ("broken", "origin access control")}, faults=["origin:fail=403"], status=1)
case("the CDN may not decrypt", {"cdn-kms": ("broken", "KMS"), "cdn": ("broken", ".")},
     faults=["origin:fail=403:AccessDenied," + KMS % "Decrypt"], status=1)
case("the CDN's firewall", {"cdn": ("broken", "WAF")}, faults=["cdn:html"], status=1)
case("the CDN reaches no bucket", {"cdn": ("broken", "failure|bucket")}, faults=["cdn:html=502"], status=1)
case("a page for everything", {"cdn": ("broken", "something else")}, faults=["cdn:html=200"], status=1)
case("a CDN that cuts connections", {"cdn": ("broken", "nobody answers"), "cdn-put": ("note", "."), "cdn-delete": ("note", ".")},
     faults=["cdn:reset"], status=1)
case("a page for what is missing", {"missing": ("broken", "custom error responses")}, faults=["cdn:spa"], status=1)
case("an error page for what is missing", {"missing": ("broken", "custom error responses")},
     faults=["cdn:html=404,prefix=.assetfs/journal/9"], status=1)
case("the CDN may list", {"missing": ("warning", "s3:ListBucket"), "cdn-list": ("broken", "list the bucket")}, settings=["cdn-list=1"], status=1)
case("errors are cached", {"error-caching": ("warning", "ErrorCachingMinTTL"), "journal": ("warning", ".")}, settings=["error-ttl=10", "cache-all=1"],
     status=3)
case("the journal is cached", {"journal": ("warning", "CachingDisabled")}, settings=["cache-all=1"], status=3)
PASSES, PUTS, DELETES = ("warning", "passes it on"), ("broken", "everybody can put"), ("broken", "everybody can delete")
case("PUT and DELETE are passed on", {"cdn-put": PASSES, "cdn-delete": PASSES, "cdn-put:files/": PASSES, "cdn-delete:files/": PASSES},
     settings=["cdn-writes=1"], status=3)
case("PUT and DELETE through the CDN", {"cdn-put": PUTS, "cdn-delete": DELETES, "cdn-put:files/": PUTS, "cdn-delete:files/": DELETES},
     settings=["cdn-writes=2"], status=1)
case("PUT and DELETE are passed on in one area", {"cdn-put": ("ok", "."), "cdn-delete": ("ok", "."), "cdn-put:files/": PASSES, "cdn-delete:files/": PASSES},
     faults=["cdn:writes=1,prefix=files/"], status=3)
case("PUT and DELETE through the CDN in one area", {"cdn-put": ("ok", "."), "cdn-put:files/": ("broken", "everybody can put.*methods|files/check-absent"),
     "cdn-delete:files/": DELETES}, faults=["cdn:writes=2,prefix=files/"], status=1)
case("a bucket that knows no such condition, behind a CDN that passes puts on", {"cdn-put:files/": PASSES, "cdn-delete:files/": DELETES},
     faults=["cdn:writes=2,prefix=files/;cdn:fail=501:NotImplemented,prefix=files/check,count=3"], status=1)

# ---- web pages

ORIGIN = ["--origin", "https://www.example.com"]
case("CORS for everybody", {"cors": ("ok", "."), "cors-preflight": ("ok", ".")}, settings=["cors=1"], args=ORIGIN, status=0)
case("CORS for one origin", {"cors": ("ok", "."), "cors-preflight": ("ok", ".")}, settings=["cors=2"], args=ORIGIN, status=0)
case("a sub-domain is another origin", {"cors": ("warning", "sub-domain"), "cors-preflight": ("warning", "sub-domain")}, settings=["cors=2"],
     args=["--origin=https://shop.www.example.com"], status=3)
case("no CORS rule", {"cors": ("warning", "CORS rule"), "cors-preflight": ("warning", "OPTIONS")}, args=ORIGIN, status=3)
case("CORS without a CDN", {"cors-preflight": ("ok", "."), "cors": None}, settings=["cors=1"], args=ORIGIN, volume="direct", keys=["allow WRITERKEY get"], status=0)

# ---- this host

case("the volume's key is not here", {"volume": ("broken", "key import")}, env={"XDG_CONFIG_HOME": os.environ["KEYLESS"]}, status=1)


def run(c):
    tell("/reset")
    tell("/settings", "\n".join([*USUAL, *c["settings"]]))
    tell("/credentials", "\n".join([SCOPE, *c["keys"]]))
    if c["before"]:
        c["before"]()
    if c["faults"]:
        tell("/faults", "\n".join(c["faults"]))
    before = listing()
    got = subprocess.run([ASSETFS, "check", "--json", *c["args"], c["volume"]], capture_output=True, text=True, timeout=60,
                         env={k: v for k, v in {**os.environ, **c["env"]}.items() if v}, stdin=subprocess.DEVNULL)
    left = listing() - before - {".assetfs/check"}
    return [*judge(c, got), *([f"it left {left} behind"] if left else [])]


def listing():
    root = os.environ["BUCKET"]
    return {os.path.relpath(os.path.join(d, f), root) for d, _, files in os.walk(root) for f in files}


def judge(c, got):
    try:
        answer = json.loads(got.stdout)
    except ValueError as error:
        return [f"no JSON ({error}): {got.stdout!r} {got.stderr!r}"]
    wrong = structure(answer, c["volume"])
    found = {line["check"]: line for line in answer["checks"]}
    if len(found) != len(answer["checks"]):
        wrong.append("a check is there twice")
    for name, want in c["expect"].items():
        line = found.pop(name, None)
        if want is None or line is None:
            if want is not line:
                wrong.append(f"{name} is {line and line['result']}, expected {want}")
        elif line["result"] != want[0] or not re.search(want[1], f"{line['found']}: {line['means']}. {line['do']}"):
            wrong.append(f"{name}: expected {want}, got {line}")
    wrong += [f"{line['check']}: {line}" for line in found.values() if line["result"] not in ("ok", "note")]
    worst = max(["ok", "note", "warning", "broken"].index(line["result"]) for line in answer["checks"])
    if answer["result"] != ["ok", "note", "warning", "broken"][worst]:
        wrong.append(f"the result is {answer['result']}")
    if c["status"] != got.returncode or [0, 0, 3, 1][worst] != got.returncode:
        wrong.append(f"exit status {got.returncode}, expected {c['status']}")
    return wrong


def structure(answer, volume):
    """What scripts rely on."""
    wrong = []
    if set(answer) != {"volume", "url", "result", "checks"} or answer["volume"] != volume or not answer["checks"]:
        wrong.append(f"members: {set(answer)}")
    for line in answer["checks"]:
        if set(line) != {"check", "result", "found", "means", "do", "details"}:
            wrong.append(f"members of a check: {line}")
        if not line["found"] or not line["means"] or any(ord(ch) < 32 for v in line.values() if v for ch in v):
            wrong.append(f"not a line of text: {line}")
        if line["result"] in ("warning", "broken") and not line["do"] and "failure of its own" not in line["means"]:
            wrong.append(f"nobody is told what to do: {line}")
    return wrong


only = sys.argv[3:]
bad = ran = 0
for c in CASES:
    if only and c["name"] not in only:
        continue
    ran += 1
    wrong = run(c)
    bad += bool(wrong)
    print("FAIL" if wrong else "ok  ", c["name"])
    for w in wrong:
        print("     ", w)
print(f"{ran} cases, {bad} failed")
sys.exit(bad > 0 or ran == 0)
