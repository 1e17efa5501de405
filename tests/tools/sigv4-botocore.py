# SPDX-License-Identifier: GPL-2.0-or-later
#
# sigv4-botocore.py SIGV4_PRINT SEED CASES: random requests, signed by botocore and by tests/tools/sigv4-print; every difference is printed.
# 77: there is no botocore here.

import datetime
import hashlib
import random
import subprocess
import sys
import types
from urllib.parse import parse_qsl, quote, urlsplit

try:
    import botocore
    import botocore.auth
    from botocore.awsrequest import AWSRequest
    from botocore.compat import HTTPHeaders
    from botocore.credentials import Credentials
except ImportError as e:
    print(f"SKIP: no botocore here ({e}): scripts/install-deps test")
    sys.exit(77)

UNSIGNED = "UNSIGNED-PAYLOAD"
EVERY_BYTE = bytes(range(1, 256))
# What str.split() of botocore takes for white space beyond ASCII's is none to HTTP, so it is not in here.
TEXT = "abcXYZ0189-_.~!*'();:@&=+$,/?#[]%\"<>\\^`{|}äß€😀"
TOKEN = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="
HEADERS = ["x-amz-meta-a", "X-Amz-Meta-A-B", "x-amz-meta-ab", "Content-Type", "Content-MD5", "Cache-Control", "if-none-match", "RANGE",
           "x-amz-checksum-sha256", "x-amz-server-side-encryption", "X-AMZ-ACL"]
HOSTS = ["examplebucket.s3.amazonaws.com", "s3.eu-central-1.amazonaws.com", "127.0.0.1:9000", "[::1]:9000", "bucket.store.example:8443"]
REGIONS = ["us-east-1", "eu-central-1", "ap-northeast-1", "default", "garage"]


def fixed_clock(when):
    """botocore's clock: datetime.utcnow() of older versions, get_current_datetime() of newer ones."""

    class Fixed(datetime.datetime):
        @classmethod
        def utcnow(cls):
            return when

    botocore.auth.datetime = types.SimpleNamespace(datetime=Fixed)
    botocore.auth.get_current_datetime = lambda: when


def text(rng, longest):
    return "".join(rng.choice(TEXT) for _ in range(rng.randint(0, longest)))


def header_value(rng):
    """Words with odd spaces between and around them."""
    space = [" ", "  ", "\t", " \t ", "     "]
    words = [text(rng, 8) or "x" for _ in range(rng.randint(0, 4))]
    value = "".join(word + rng.choice(space) for word in words)
    return rng.choice(["", " ", "\t "]) + value


def random_case(rng, number):
    key = b"".join(bytes([rng.randint(1, 255)]) for _ in range(rng.randint(0, 60)))
    if number < 2:
        key = EVERY_BYTE
    elif number % 10 == 0:
        key = rng.choice([b"a/../b/./c", b"//a//b/", b"a b+c%20d", b"..", b"~user/-_.", "grün/€".encode()])
    presigned = number % 3 == 1
    names = rng.sample(HEADERS, rng.randint(0, 4))
    headers = [(name, header_value(rng)) for name in names]
    if headers and rng.random() < 0.3:
        headers.append((rng.choice(headers)[0].swapcase(), header_value(rng)))
    rng.shuffle(headers)
    # botocore's presigner takes every parameter once, and as text.
    query = {text(rng, 6) or "q": text(rng, 12) for _ in range(rng.randint(0, 5))}
    query = [(k.encode(), v.encode()) for k, v in query.items()]
    if not presigned:
        some = rng.choice([b"a", b"a-", b"a.", b"partNumber", b"\xff\x01"])
        query += [(some, bytes([rng.randint(1, 255)])) for _ in range(rng.randint(0, 3))]
        if number == 0:
            query.append((EVERY_BYTE, EVERY_BYTE))
    return types.SimpleNamespace(
        presigned=presigned, method=rng.choice(["GET", "PUT", "HEAD", "POST"]), key=b"/" + key, query=query, headers=headers,
        scheme=rng.choice(["http", "https"]), host=rng.choice(HOSTS), region=rng.choice(REGIONS),
        access_key="AKIA" + "".join(rng.choice(TOKEN[:26]) for _ in range(16)),
        secret_key="".join(rng.choice(TOKEN) for _ in range(rng.choice([1, 16, 40, 60, 61, 100]))),
        token="".join(rng.choice(TOKEN) for _ in range(rng.choice([4, 356, 1500]))) if rng.random() < 0.4 else None,
        body=b"" if presigned else rng.choice([b"", b"Welcome to Amazon S3.", EVERY_BYTE]), unsigned=rng.random() < 0.3,
        time=rng.randint(0, 4102444799), expires=rng.choice([1, 60, 86400, 604800]))


def by_botocore(case):
    fixed_clock(datetime.datetime.fromtimestamp(case.time, datetime.timezone.utc).replace(tzinfo=None))
    headers = HTTPHeaders()
    headers["Host"] = case.host
    for name, value in case.headers:
        headers.add_header(name, value)
    query = "&".join(quote(k, safe="-_.~") + "=" + quote(v, safe="-_.~") for k, v in case.query)
    url = f"{case.scheme}://{case.host}{quote(case.key, safe='/~')}" + ("?" + query if query else "")
    request = AWSRequest(method=case.method, url=url, headers=headers, data=case.body)
    keys = Credentials(case.access_key, case.secret_key, case.token)
    path = {"path": quote(case.key, safe="/~")}
    if case.presigned:
        botocore.auth.S3SigV4QueryAuth(keys, "s3", case.region, case.expires).add_auth(request)
        return dict(path, query=sorted(parse_qsl(urlsplit(request.url).query, keep_blank_values=True)))
    request.context["client_config"] = types.SimpleNamespace(s3={"payload_signing_enabled": not case.unsigned})
    botocore.auth.S3SigV4Auth(keys, "s3", case.region).add_auth(request)
    added = ["X-Amz-Date", "X-Amz-Content-SHA256", "X-Amz-Security-Token", "Authorization"]
    return dict(path, **{name.lower(): request.headers[name] for name in added if name in request.headers})


def question(case):
    """The request in the form that sigv4-print reads."""
    unsigned = case.presigned or case.unsigned
    fields = {"method": case.method, "region": case.region, "access_key": case.access_key, "secret_key": case.secret_key,
              "payload": UNSIGNED if unsigned else hashlib.sha256(case.body).hexdigest(), "time": str(case.time)}
    if case.token is not None:
        fields["session_token"] = case.token
    if case.presigned:
        fields["expires"] = str(case.expires)
    lines = [f"{name} {value.encode().hex()}" for name, value in fields.items()]
    lines.append(f"key {case.key.hex()}")
    lines += [f"query {k.hex()} {v.hex()}" for k, v in case.query]
    lines += [f"header {k.encode().hex()} {v.encode().hex()}" for k, v in [("Host", case.host)] + case.headers]
    return "\n".join(lines) + "\n\n"


def by_assetfs(answer):
    ret = {}
    for line in answer.split("\n"):
        name, _, value = line.partition(": ")
        ret[name.lower()] = sorted(parse_qsl(value, keep_blank_values=True)) if name == "query" else value
    return ret


def main():
    program, seed, n = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    rng = random.Random(seed)
    cases = [random_case(rng, number) for number in range(n)]
    run = subprocess.run([program], input="".join(map(question, cases)).encode(), stdout=subprocess.PIPE, check=True, timeout=60)
    answers = run.stdout.decode().split("\n\n")[:-1]
    if len(answers) != n:
        print(f"{n} requests, {len(answers)} answers")
        return 1
    bad = 0
    for number, (case, answer) in enumerate(zip(cases, answers)):
        want, got = by_botocore(case), by_assetfs(answer)
        if want != got:
            bad += 1
            print(f"case {number} of seed {seed} differs: {vars(case)}\n  botocore: {want}\n  assetfs:  {got}")
    presigned = sum(case.presigned for case in cases)
    print(f"botocore {botocore.__version__}, seed {seed}: {n} requests ({presigned} presigned), {bad} differ")
    return bad > 0


sys.exit(main())
