# SPDX-License-Identifier: GPL-2.0-or-later
#
# double-botocore.py S3 CDN CONTROL BUCKET_DIR: is tests/double what it says? Asked by AWS's own library, which shares no code with assetfs nor with the double.
# Prints what is not so. 77: there is no botocore here.

import base64
import datetime
import hashlib
import http.client
import os
import random
import sys
import threading
import urllib.error
import urllib.request
from urllib.parse import quote, urlsplit

try:
    import botocore.auth
    import botocore.awsrequest
    import botocore.client
    import botocore.credentials
    import botocore.exceptions
    import botocore.session
except ImportError as e:
    print(f"SKIP: no botocore here ({e}): scripts/install-deps test")
    sys.exit(77)

S3, CDN, CONTROL, BUCKET_DIR = sys.argv[1:]
WRITER, READER, OWNER = ("WRITERKEY", "writersecret"), ("CDNKEY", "cdnsecret"), ("OWNERKEY", "ownersecret")
MIB = 1 << 20
CASES = []
failures = []


def case(fn):
    CASES.append(fn)
    return fn


def equals(got, want, what):
    if got != want:
        raise AssertionError(f"{what}: {got!r}, not {want!r}")


def client(who, token=None, region="us-east-1"):
    options = dict(signature_version="s3v4", s3={"addressing_style": "path"}, retries={"max_attempts": 1, "mode": "standard"})
    try:
        config = botocore.client.Config(request_checksum_calculation="when_required", response_checksum_validation="when_required", **options)
    except TypeError:  # an older one, which computes none by itself
        config = botocore.client.Config(**options)
    return botocore.session.Session().create_client("s3", region_name=region, endpoint_url=S3, aws_access_key_id=who[0],
                                                    aws_secret_access_key=who[1], aws_session_token=token, config=config)


def conditional(c):
    """Puts and completions under If-None-Match: *, also with a botocore that has no such parameter yet."""

    def add(request, **_):
        request.headers["If-None-Match"] = "*"

    c.meta.events.register("before-sign.s3.PutObject", add)
    c.meta.events.register("before-sign.s3.CompleteMultipartUpload", add)
    return c


def refused(want, fn, *args, **kwargs):
    """The call fails with this code (or bare status, of HEAD)."""
    try:
        fn(*args, **kwargs)
    except botocore.exceptions.ClientError as e:
        equals(e.response["Error"]["Code"], want, f"{fn.__name__} {kwargs.get('Key', '')}")
        return e.response
    raise AssertionError(f"{fn.__name__} {kwargs} was not refused with {want}")


def control(method, path, text=None):
    request = urllib.request.Request(CONTROL + path, data=text.encode() if text else None, method=method)
    with urllib.request.urlopen(request, timeout=20) as answer:
        return answer.read().decode()


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def checksum(data):
    return base64.b64encode(hashlib.sha256(data).digest()).decode()


def cdn(key, **headers):
    try:
        with urllib.request.urlopen(urllib.request.Request(f"{CDN}/{quote(key)}", headers=headers), timeout=20) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as e:
        return e.code, e.headers, e.read()


def raw(method, key, body, sign, who=WRITER, unsigned=None, send=None, query=None, region="us-east-1"):
    """One request signed by botocore's signer over `sign` (headers) and body; then unsigned headers are added, and `send` goes in place of the body.
    query: presigned, for so many seconds."""
    request = botocore.awsrequest.AWSRequest(method, f"{S3}/assets/{quote(key)}", headers=sign, data=None if query else body)
    credentials = botocore.credentials.Credentials(*who)
    if query:
        botocore.auth.S3SigV4QueryAuth(credentials, "s3", region, expires=query).add_auth(request)
    else:
        botocore.auth.S3SigV4Auth(credentials, "s3", region).add_auth(request)
    where = urlsplit(request.url)
    connection = http.client.HTTPConnection(where.netloc, timeout=20)
    headers = {**dict(request.headers.items()), **(unsigned or {})}
    connection.request(method, f"{where.path}?{where.query}" if where.query else where.path, body=send if send is not None else body, headers=headers)
    answer = connection.getresponse()
    text = answer.read().decode(errors="replace")
    code = text.split("<Code>")[1].split("</Code>")[0] if "<Code>" in text else ""
    return answer.status, code, text


@case
def put_once():
    c = conditional(client(WRITER))
    body = os.urandom(100000)
    c.put_object(Bucket="assets", Key="once/a", Body=body, ContentType="image/png", CacheControl="max-age=60", Metadata={"who": "me"})
    answer = refused("PreconditionFailed", c.put_object, Bucket="assets", Key="once/a", Body=b"other")
    equals(answer["ResponseMetadata"]["HTTPStatusCode"], 412, "status")
    with open(f"{BUCKET_DIR}/once/a", "rb") as f:
        equals(f.read(), body, "the object")
    got = client(READER).get_object(Bucket="assets", Key="once/a")
    equals((got["ContentType"], got["CacheControl"], got["Metadata"]), ("image/png", "max-age=60", {"who": "me"}), "what came along")
    equals(got["Body"].read(), body, "the object as S3 gives it")


@case
def put_without_condition():
    c = client(WRITER)
    refused("AccessDenied", c.put_object, Bucket="assets", Key="unconditional", Body=b"1")
    control("POST", "/settings", "demand-condition=0")
    c.put_object(Bucket="assets", Key="unconditional", Body=b"1")
    c.put_object(Bucket="assets", Key="unconditional", Body=b"2")
    control("POST", "/settings", "demand-condition=1")
    equals(cdn("unconditional")[2], b"2", "overwritten")
    assert '"no-condition":3' in control("GET", "/counters"), "violations are not counted"


@case
def one_winner():
    clients = [conditional(client(WRITER)) for _ in range(16)]
    for i in range(8):
        wins, losses = [], []

        def put(n):
            try:
                clients[n].put_object(Bucket="assets", Key=f"race/{i}", Body=b"%d" % n)
                wins.append(n)
            except botocore.exceptions.ClientError as e:
                losses.append(e.response["Error"]["Code"])

        threads = [threading.Thread(target=put, args=(n,)) for n in range(len(clients))]
        [t.start() for t in threads]
        [t.join() for t in threads]
        equals((len(wins), set(losses), len(losses)), (1, {"PreconditionFailed"}, len(clients) - 1), "winners and losers")
        equals(cdn(f"race/{i}")[2], b"%d" % wins[0], "whose object it is")


@case
def odd_keys():
    c = conditional(client(WRITER))
    rng = random.Random(7)
    keys = ["with space", "plus+plus", "per%20cent", "tilde~", "a//b", "a/./b", "a/../b", "ü/ß/日本", "q?x=1&y", "semi;colon:at@", "'()*!$,=[]{}|\\^`\"<>#", "/".join("x" * 7)]
    keys += ["random/" + "".join(rng.choice([chr(rng.randrange(0x20, 0x7f)), chr(rng.randrange(0xa1, 0x2ff))]) for _ in range(40)).rstrip("/") for _ in range(200)]
    for key in keys:
        body = key.encode()
        c.put_object(Bucket="assets", Key="odd/" + key, Body=body)
        request = urllib.request.urlopen(f"{CDN}/odd/{quote(key)}", timeout=20)
        equals(request.read(), body, key)


@case
def signatures():
    put = dict(Bucket="assets", Key="signatures", Body=b"x")
    refused("SignatureDoesNotMatch", conditional(client(("WRITERKEY", "wrong"))).put_object, **put)
    refused("InvalidAccessKeyId", conditional(client(("NOBODY", "wrong"))).put_object, **put)
    status, code, text = raw("PUT", "signatures", b"x", {"If-None-Match": "*"}, region="eu-west-1")
    equals((status, code, "<Region>us-east-1</Region>" in text), (400, "AuthorizationHeaderMalformed", True), "another region")
    refused("InvalidToken", conditional(client(WRITER, token="what")).put_object, **put)
    equals(raw("PUT", "signatures", b"x", {"If-None-Match": "*"}, unsigned={"x-amz-meta-a": "b"})[:2], (403, "AccessDenied"), "an unsigned header")
    equals(raw("PUT", "signatures", b"x", {"If-None-Match": "*"}, unsigned={"If-None-Match": "other"})[1], "SignatureDoesNotMatch", "a changed header")
    equals(raw("PUT", "signatures", b"x", {"If-None-Match": "*"}, send=b"y")[1], "XAmzContentSHA256Mismatch", "another body")
    equals(raw("PUT", "signatures", b"x", {"If-None-Match": "other"})[:2], (501, "NotImplemented"), "another condition")
    equals(raw("PUT", "signatures", b"x", {"If-None-Match": "*", "x-amz-checksum-sha256": checksum(b"y")})[1], "BadDigest", "a wrong checksum")
    equals(raw("PUT", "signatures", b"x", {"If-None-Match": "*", "x-amz-checksum-sha256": "what"})[1], "InvalidRequest", "a checksum that is none")
    equals(raw("PUT", "signatures", b"x", {"If-None-Match": "*", "Content-MD5": base64.b64encode(bytes(16)).decode()})[1], "BadDigest", "a wrong MD5")
    equals(cdn("signatures")[0], 403, "and nothing is there")
    equals(raw("PUT", "signatures", b"x", {"If-None-Match": "*", "x-amz-checksum-sha256": checksum(b"x"), "x-amz-meta-a": "  two   spaces "})[0], 200, "a right one")


@case
def clocks():
    c = conditional(client(WRITER))
    for seconds in (3600, -3600, 960, -960):
        control("POST", "/faults", f"any:clock={seconds}")
        answer = refused("RequestTimeTooSkewed", c.put_object, Bucket="assets", Key="clock", Body=b"x")
        date = datetime.datetime.strptime(answer["ResponseMetadata"]["HTTPHeaders"]["date"], "%a, %d %b %Y %H:%M:%S GMT")
        off = (date - datetime.datetime.utcnow()).total_seconds()
        assert abs(off - seconds) < 60, f"Date is {off} s off, not {seconds}"
        control("DELETE", "/faults")
    control("POST", "/faults", "any:clock=840")
    c.put_object(Bucket="assets", Key="clock", Body=b"x")
    control("DELETE", "/faults")


@case
def credentials():
    c = conditional(client(WRITER))
    for command, code in (("revoke", "InvalidAccessKeyId"), ("expire", "ExpiredToken")):
        control("POST", "/credentials", f"{command} WRITERKEY")
        refused(code, c.put_object, Bucket="assets", Key=f"credentials/{command}", Body=b"x")
        control("POST", "/credentials", "restore WRITERKEY")
        c.put_object(Bucket="assets", Key=f"credentials/{command}", Body=b"x")
    control("POST", "/credentials", "writer TEMP tempsecret token-of-a-session")
    put = dict(Bucket="assets", Key="credentials/session", Body=b"x")
    refused("InvalidAccessKeyId", conditional(client(("TEMP", "tempsecret"))).put_object, **put)
    refused("InvalidToken", conditional(client(("TEMP", "tempsecret"), token="another")).put_object, **put)
    conditional(client(("TEMP", "tempsecret"), token="token-of-a-session")).put_object(**put)
    # A client that was told the wrong region is told the right one.
    conditional(client(WRITER, region="eu-west-1")).put_object(Bucket="assets", Key="credentials/region", Body=b"x")


@case
def what_a_writer_may_not():
    c = conditional(client(WRITER))
    c.put_object(Bucket="assets", Key="may-not", Body=b"x")
    at = dict(Bucket="assets", Key="may-not")
    refused("AccessDenied", c.get_object, **at)
    refused("403", c.head_object, **at)
    refused("AccessDenied", c.list_objects_v2, Bucket="assets")
    refused("AccessDenied", c.delete_object, **at)
    refused("AccessDenied", c.copy_object, Bucket="assets", Key="copy", CopySource="assets/may-not")
    upload = c.create_multipart_upload(**at)["UploadId"]
    refused("AccessDenied", c.abort_multipart_upload, UploadId=upload, **at)
    refused("AccessDenied", c.list_parts, UploadId=upload, **at)
    refused("AccessDenied", c.put_object, Bucket="assets", Key="tagged", Body=b"x", Tagging="a=b")
    refused("AccessControlListNotSupported", c.put_object, Bucket="assets", Key="acl", Body=b"x", ACL="public-read")
    refused("NoSuchBucket", c.put_object, Bucket="other-bucket", Key="x", Body=b"x")
    equals(raw("PUT", "if-match", b"x", {"If-Match": '"abc"'})[:2], (403, "AccessDenied"), "If-Match")


@case
def readers():
    conditional(client(WRITER)).put_object(Bucket="assets", Key="readers", Body=b"0123456789")
    c, at = client(READER), dict(Bucket="assets", Key="readers")
    equals(c.head_object(**at)["ContentLength"], 10, "HEAD")
    for wanted, body in (("bytes=2-4", b"234"), ("bytes=7-", b"789"), ("bytes=-2", b"89"), ("bytes=8-99", b"89"), ("bytes=0-0", b"0")):
        got = c.get_object(Range=wanted, **at)
        equals((got["Body"].read(), got["ContentRange"].split("/")[1]), (body, "10"), wanted)
    refused("InvalidRange", c.get_object, Range="bytes=10-", **at)
    refused("AccessDenied", c.get_object, Bucket="assets", Key="not-there")
    refused("AccessDenied", conditional(client(READER)).put_object, Bucket="assets", Key="by-reader", Body=b"x")
    refused("NoSuchKey", client(OWNER).get_object, Bucket="assets", Key="not-there")
    client(OWNER).delete_object(**at)
    refused("NoSuchKey", client(OWNER).get_object, **at)


@case
def multipart():
    c = conditional(client(WRITER))
    at = dict(Bucket="assets", Key="multipart/a")
    parts = [os.urandom(5 * MIB), os.urandom(6 * MIB), os.urandom(1)]
    upload = c.create_multipart_upload(ChecksumAlgorithm="SHA256", ContentType="video/mp4", **at)["UploadId"]
    done = []
    for i in (2, 0, 1):
        got = c.upload_part(PartNumber=i + 1, UploadId=upload, Body=parts[i], ChecksumSHA256=checksum(parts[i]), **at)
        done.append({"PartNumber": i + 1, "ETag": got["ETag"], "ChecksumSHA256": checksum(parts[i])})
    complete = c.complete_multipart_upload
    refused("InvalidPartOrder", complete, UploadId=upload, MultipartUpload={"Parts": done}, **at)
    done.sort(key=lambda p: p["PartNumber"])
    refused("InvalidPart", complete, UploadId=upload, MultipartUpload={"Parts": done[:2] + [{**done[2], "ETag": '"abc"'}]}, **at)
    refused("InvalidPart", complete, UploadId=upload, MultipartUpload={"Parts": done + [{**done[2], "PartNumber": 4}]}, **at)
    without = [{k: p[k] for k in ("PartNumber", "ETag")} for p in done]
    refused("InvalidRequest", complete, UploadId=upload, MultipartUpload={"Parts": without}, **at)
    refused("NoSuchUpload", complete, UploadId="what", MultipartUpload={"Parts": done}, **at)
    refused("NoSuchUpload", c.upload_part, Bucket="assets", Key="multipart/other", PartNumber=1, UploadId=upload, Body=b"x")
    whole = base64.b64encode(hashlib.sha256(b"".join(hashlib.sha256(p).digest() for p in parts)).digest()).decode() + "-3"
    equals(complete(UploadId=upload, MultipartUpload={"Parts": done}, **at)["ChecksumSHA256"], whole, "composite checksum")
    refused("NoSuchUpload", complete, UploadId=upload, MultipartUpload={"Parts": done}, **at)
    got = client(READER).get_object(**at)
    equals((sha256(got["Body"].read()), got["ContentType"]), (sha256(b"".join(parts)), "video/mp4"), "the object")


@case
def multipart_condition():
    c = conditional(client(WRITER))
    at = dict(Bucket="assets", Key="multipart/b")
    upload = c.create_multipart_upload(**at)["UploadId"]
    parts = [{"PartNumber": 1, "ETag": c.upload_part(PartNumber=1, UploadId=upload, Body=b"part", **at)["ETag"]}]
    refused("AccessDenied", client(WRITER).complete_multipart_upload, UploadId=upload, MultipartUpload={"Parts": parts}, **at)
    c.put_object(Body=b"faster", **at)
    refused("PreconditionFailed", c.complete_multipart_upload, UploadId=upload, MultipartUpload={"Parts": parts}, **at)
    equals(cdn("multipart/b")[2], b"faster", "whose object it is")


@case
def small_parts():
    c = conditional(client(WRITER))
    at = dict(Bucket="assets", Key="multipart/c")
    upload = c.create_multipart_upload(**at)["UploadId"]
    parts = [{"PartNumber": n, "ETag": c.upload_part(PartNumber=n, UploadId=upload, Body=b"part", **at)["ETag"]} for n in (1, 10000)]
    refused("InvalidArgument", c.upload_part, PartNumber=10001, UploadId=upload, Body=b"part", **at)
    refused("EntityTooSmall", c.complete_multipart_upload, UploadId=upload, MultipartUpload={"Parts": parts}, **at)
    control("POST", "/settings", "small-parts=1")
    c.complete_multipart_upload(UploadId=upload, MultipartUpload={"Parts": parts}, **at)
    control("POST", "/settings", "small-parts=0")
    equals(cdn("multipart/c")[2], b"partpart", "the object")


@case
def presigned():
    equals(raw("PUT", "presigned/a", b"x", {"If-None-Match": "*"}, query=60)[0], 200, "a presigned put")
    equals(raw("PUT", "presigned/a", b"x", {"If-None-Match": "*"}, query=60)[0], 412, "another one")
    equals(raw("PUT", "presigned/b", b"x", {}, query=60)[:2], (403, "AccessDenied"), "without condition")
    equals(raw("PUT", "presigned/b", b"x", {"If-None-Match": "*"}, who=("WRITERKEY", "wrong"), query=60)[1], "SignatureDoesNotMatch", "wrong secret")
    equals(raw("PUT", "presigned/b", b"x", {"If-None-Match": "*"}, query=700000)[:2], (400, "AuthorizationQueryParametersError"), "too long")
    control("POST", "/faults", "any:clock=120")
    status, code, text = raw("PUT", "presigned/b", b"x", {"If-None-Match": "*"}, query=60)
    control("DELETE", "/faults")
    equals((status, code, "Request has expired" in text), (403, "AccessDenied", True), "expired")
    equals(cdn("presigned/b")[0], 403, "and nothing is there")
    url = client(READER).generate_presigned_url("get_object", Params={"Bucket": "assets", "Key": "presigned/a"}, ExpiresIn=60)
    equals(urllib.request.urlopen(url, timeout=20).read(), b"x", "a presigned get")


for name in [k for k in os.environ if k.lower().endswith("_proxy") or k.startswith("AWS_")]:
    del os.environ[name]
for fn in CASES:
    control("POST", "/reset")
    try:
        fn()
        print(f"ok: {fn.__name__}")
    except Exception as e:
        failures.append(fn.__name__)
        print(f"FAIL: {fn.__name__}: {type(e).__name__}: {e}")
sys.exit(1 if failures else 0)
