#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Stands in for those whom AWS's tools ask for keys: STS, the endpoint of a container, the metadata service of an instance.

    aws-stand-in.py --dir DIR [--double CONTROL]

Listens on a loopback port and writes DIR/ready: STAND_IN=URL. Each set of keys is a new one, and the double is told of it (tests/double/keyring.h).
Files of DIR say how it behaves, and are read for each request:

    lifetime   seconds for which keys hold (3600)
    fail       a status, with which everything is answered; removed: all is well again
    web-token  the token of a web identity that is accepted
    known      "ACCESS SECRET" of one more who may assume roles
    container-token   what Authorization must be for a container's keys

DIR/log has a line for each request: "AssumeRole arn:aws:iam::1:role/x SOURCEKEY". STS knows SOURCEKEY:sourcesecret, and the keys that it has given;
signatures are checked by botocore.
"""
import argparse, datetime, hmac, http.server, json, os, re, threading, urllib.parse, urllib.request
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

KNOWN = {"SOURCEKEY": ("sourcesecret", None)}
LOCK = threading.Lock()


def setting(name, default=None):
    try:
        with open(os.path.join(ARGS.dir, name)) as f:
            return f.read().strip()
    except FileNotFoundError:
        return default


def note(*words):
    with LOCK, open(os.path.join(ARGS.dir, "log"), "a") as f:
        print(*words, file=f)


def new_keys():
    with LOCK:
        n = len(KNOWN)
        access, secret, token = f"ASIA{n}", f"secret-of-{n}", f"token-of-{n}"
        KNOWN[access] = (secret, token)
    if ARGS.double:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        opener.open(urllib.request.Request(ARGS.double + "/credentials", f"writer {access} {secret} {token}".encode(), method="POST"), timeout=20)
    end = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=int(setting("lifetime", "3600")))
    return access, secret, token, end.strftime("%Y-%m-%dT%H:%M:%SZ")


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def say(self, status, text, kind="text/plain"):
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def failing(self):
        status = setting("fail")
        if status:
            note("failed", status, self.path)
            self.say(int(status), "as told")
        return bool(status)

    def sts_error(self, status, code, message):
        note("refused", code)
        self.say(status, f'<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type><Code>{code}</Code>'
                 f"<Message>{message}</Message></Error><RequestId>R</RequestId></ErrorResponse>", "text/xml")

    def signer(self, body):
        """The access key that has signed this; None: nobody, or wrongly."""
        found = re.match(r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d+)/([^/]+)/sts/aws4_request, SignedHeaders=([^,]+), Signature=(\w+)$",
                         self.headers.get("Authorization", ""))
        more = setting("known", "").split()
        known = dict(KNOWN, **({more[0]: (more[1], None)} if more else {}))
        if not found or found[1] not in known:
            return None
        secret, token = known[found[1]]
        if token != self.headers.get("x-amz-security-token"):
            return None
        request = AWSRequest("POST", "http://" + self.headers["Host"] + self.path, data=body)
        for name in found[4].split(";"):
            request.headers[name] = self.headers[name]
        request.context["timestamp"] = self.headers["x-amz-date"]
        auth = SigV4Auth(Credentials(found[1], secret), "sts", found[3])
        canonical = auth.canonical_request(request)
        signature = auth.signature(auth.string_to_sign(request, canonical), request)
        return found[1] if hmac.compare_digest(signature, found[5]) else None

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.failing():
            return
        form = dict(urllib.parse.parse_qsl(body.decode()))
        action, arn = form.get("Action"), form.get("RoleArn", "")
        if action == "AssumeRole":
            who = self.signer(body)
            if not who:
                return self.sts_error(403, "SignatureDoesNotMatch", "The request signature does not match")
            if "/denied" in arn or form.get("ExternalId") == "wrong":
                return self.sts_error(403, "AccessDenied", f"User: {who} is not authorized to perform: sts:AssumeRole on resource: {arn}")
        elif action == "AssumeRoleWithWebIdentity":
            who = "web"
            if "Authorization" in self.headers or form.get("WebIdentityToken") != setting("web-token"):
                return self.sts_error(400, "InvalidIdentityToken", "No OpenIDConnect provider found")
        else:
            return self.sts_error(400, "InvalidAction", "no such action")
        note(action, arn, who, *([form["ExternalId"]] if "ExternalId" in form else []))
        access, secret, token, end = new_keys()
        self.say(200, f'<{action}Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><{action}Result><AssumedRoleUser><Arn>{arn}</Arn>'
                 f"</AssumedRoleUser><Credentials><AccessKeyId>{access}</AccessKeyId><SecretAccessKey>{secret}</SecretAccessKey><SessionToken>{token}"
                 f"</SessionToken><Expiration>{end}</Expiration></Credentials></{action}Result></{action}Response>", "text/xml")

    def do_PUT(self):
        if self.failing():
            return
        if self.path != "/latest/api/token" or "X-Forwarded-For" in self.headers:
            return self.say(404, "")
        note("session", self.headers.get("x-aws-ec2-metadata-token-ttl-seconds"))
        self.say(200, "the-session")

    def do_GET(self):
        if self.failing():
            return
        if self.path == "/container":
            if setting("container-token", "") != self.headers.get("Authorization", ""):
                return self.say(403, json.dumps({"code": "NotAuthorized", "message": "unable to verify the token"}), "application/json")
        elif self.path.startswith("/latest/meta-data/iam/security-credentials/"):
            if self.headers.get("x-aws-ec2-metadata-token") != "the-session":
                return self.say(401, "")
            if not self.path.endswith("/the-role"):
                return self.say(200, "the-role")
        else:
            return self.say(404, "")
        note("keys", self.path)
        access, secret, token, end = new_keys()
        self.say(200, json.dumps({"Code": "Success", "Type": "AWS-HMAC", "AccessKeyId": access, "SecretAccessKey": secret, "Token": token,
                                  "Expiration": end}), "application/json")


PARSER = argparse.ArgumentParser()
PARSER.add_argument("--dir", required=True)
PARSER.add_argument("--double")
ARGS = PARSER.parse_args()
SERVER = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
SERVER.daemon_threads = True
READY = os.path.join(ARGS.dir, "ready")
with open(READY + ".new", "w") as ready:
    print(f"STAND_IN=http://127.0.0.1:{SERVER.server_port}", file=ready)
os.rename(READY + ".new", READY)
SERVER.serve_forever()
