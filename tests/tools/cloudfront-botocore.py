#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Does net/cloudfront.c make the policies, signed URLs and cookies of botocore's CloudFrontSigner?

cloudfront-botocore.py PROGRAM DIR SEED N: N random addresses, with keys in DIR (rsa.pem, ec.pem and their .pub). RSA signatures must be the same bytes;
those of ECDSA are random, and are verified by openssl's command.
"""
import base64
import datetime
import os
import random
import subprocess
import sys
from urllib.parse import quote

try:
    import botocore
    from botocore.signers import CloudFrontSigner
except ImportError as e:
    print(f"SKIP: no botocore here ({e}): scripts/install-deps test")
    sys.exit(77)

KEY_ID = "K2JCJMDEHXQW5F"
HOSTS = ["https://d111111abcdef8.cloudfront.net", "http://127.0.0.1:8080", "https://cdn.example.org:8443/base", "https://[::1]:9000"]
TEXT = "abcXYZ0189-_.~!*'();:@&=+$,/?#[]%\"<>\\^`{|}äß€😀 \t\n"
RANGES = ["192.0.2.0/24", "203.0.113.7/32", "0.0.0.0/0", "198.51.100.1"]


def openssl(key, digest, message):
    return subprocess.run(["openssl", "dgst", "-" + digest, "-sign", key], input=message, stdout=subprocess.PIPE, check=True).stdout


def random_case(rng, number):
    key = "".join(rng.choice(TEXT) for _ in range(rng.randint(1, 60)))
    if number < 3:
        key = ["".join(map(chr, range(1, 128))), "a/../b/./c", "gr\u00fcn/\u20ac"][number]
    url = rng.choice(HOSTS) + "/" + quote(key, safe="/~")
    if rng.random() < 0.2:
        url += "?" + rng.choice(["color=red", "a=1&b=%26", "x"])
    custom = rng.random() < 0.6
    case = {"custom": custom, "hash": rng.choice(["sha1", "sha256"]), "until": rng.choice([1, 1767290400, 2147483647, rng.randint(2, 2**31 - 1)]),
            "from": 0, "ip": None, "resource": url, "url": url}
    if custom:
        if rng.random() < 0.4 and case["until"] > 1:
            case["from"] = rng.randint(1, case["until"] - 1)
        if rng.random() < 0.4:
            case["ip"] = rng.choice(RANGES)
        if rng.random() < 0.5:
            case["resource"] = rng.choice([url.rsplit("/", 1)[0] + "/*", "http*://*/" + "files/??/*", "*", url + "*"])
    return case


def moment(seconds):
    return datetime.datetime.fromtimestamp(seconds)


def by_botocore(case, signer):
    """URL, cookie and policy, as far as botocore makes them itself: it knows no Hash-Algorithm."""
    policy = signer.build_policy(case["resource"], moment(case["until"]), moment(case["from"]) if case["from"] else None, case["ip"])
    if case["custom"]:
        url = signer.generate_presigned_url(case["url"], policy=policy)
    else:
        url = signer.generate_presigned_url(case["url"], date_less_than=moment(case["until"]))
    if case["hash"] == "sha256":
        url += "&Hash-Algorithm=SHA256"
    added = url[len(case["url"]) + 1:]
    return url, "; ".join("CloudFront-" + part for part in added.split("&")), policy


def unsigned(text):
    """Without the signature, and the signature's bytes."""
    before, _, rest = text.partition("Signature=")
    stop = min(i for i in (rest.find("&"), rest.find(";")) if i >= 0)
    alphabet = str.maketrans("-_~", "+=/")
    return before + rest[stop:], base64.b64decode(rest[:stop].translate(alphabet), validate=True)


def verified(directory, digest, message, signature):
    path = os.path.join(directory, "signature")
    with open(path, "wb") as f:
        f.write(signature)
    return subprocess.run(["openssl", "dgst", "-" + digest, "-verify", os.path.join(directory, "ec.pub"), "-signature", path], input=message,
                          stdout=subprocess.DEVNULL, check=False).returncode == 0


def ask(program, key, cases):
    lines = "".join(f"{'custom' if c['custom'] else 'canned'} {c['hash']} {c['until']} {c['from']} {c['ip'] or '-'} {c['resource']} {c['url']}\n" for c in cases)
    run = subprocess.run([program, key, KEY_ID], input=lines.encode(), stdout=subprocess.PIPE, check=True, timeout=60)
    out = run.stdout.decode().split("\n")[:-1]
    if len(out) != 3 * len(cases):
        sys.exit(f"{len(cases)} questions, {len(out)} lines of answers")
    return [tuple(out[i:i + 3]) for i in range(0, len(out), 3)]


def check_rsa(program, directory, cases):
    """Every byte. One process of openssl for each hash would be the slowest part by far, so botocore signs with a stand-in first, and a part of it for real."""
    key, bad, real = os.path.join(directory, "rsa.pem"), 0, 0
    for number, (case, got) in enumerate(zip(cases, ask(program, key, cases))):
        full = number % 8 == 0
        real += full
        signer = CloudFrontSigner(KEY_ID, lambda message, d=case["hash"], f=full: openssl(key, d, message) if f else b"stand-in")
        want = by_botocore(case, signer)
        if not full:
            want = (unsigned(want[0])[0], unsigned(want[1])[0], want[2])
            got = (unsigned(got[0])[0], unsigned(got[1])[0], got[2])
        if want != got:
            bad += 1
            bad > 3 or print(f"case {number} differs: {case}\n  botocore: {want}\n  assetfs:  {got}")
    return bad, real


def check_ec(program, directory, cases):
    bad = 0
    for number, (case, got) in enumerate(zip(cases, ask(program, os.path.join(directory, "ec.pem"), cases))):
        want = by_botocore(case, CloudFrontSigner(KEY_ID, lambda message: b"stand-in"))
        (url, one), (cookie, two) = unsigned(got[0]), unsigned(got[1])
        right = (url, cookie, got[2]) == (unsigned(want[0])[0], unsigned(want[1])[0], want[2])
        if not right or not all(verified(directory, case["hash"], want[2].encode(), s) for s in (one, two)):
            bad += 1
            bad > 3 or print(f"ECDSA case {number} differs: {case}\n  botocore: {want}\n  assetfs:  {got}")
    return bad


def main():
    program, directory, seed, n = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    rng = random.Random(seed)
    cases = [random_case(rng, number) for number in range(n)]
    bad, real = check_rsa(program, directory, cases)
    bad_ec = check_ec(program, directory, cases[:60])
    print(f"botocore {botocore.__version__}, seed {seed}: {n} addresses ({sum(c['custom'] for c in cases)} custom policies), {real} of them with RSA "
          f"signatures, 60 verified with ECDSA; {bad + bad_ec} differ")
    return bad + bad_ec > 0


sys.exit(main())
