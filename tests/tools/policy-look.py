#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Looks at what `assetfs policy` printed, on standard input: policy-look.py json|terraform BUCKET PLACE [signed] [direct]

JSON must be one document of the form that is documented, and say what AWS wants to hear; of Terraform (python3-pyhcl), every resource must
be there once, refer to nothing that is not, and have policies that are JSON.
"""
import json
import re
import sys

form, bucket, place, *words = sys.argv[1:]
text = sys.stdin.read()


def check(ok, what):
    if not ok:
        sys.exit(f"policy: {what}")


def statements(document, resources):
    check(document["Version"] == "2012-10-17" and set(document) == {"Version", "Statement"}, "not a policy")
    sids = [s["Sid"] for s in document["Statement"]]
    check(len(set(sids)) == len(sids) and all(re.fullmatch("[A-Za-z0-9]+", s) for s in sids), f"sids: {sids}")
    for s in document["Statement"]:
        check(s["Effect"] in ("Allow", "Deny") and s["Action"] and s["Resource"], f"not a statement: {s}")
        if str(s["Action"]).startswith("s3:"):
            check(all(r.startswith(resources) and r.endswith("/*") for r in s["Resource"]), f"resources: {s}")
            check(not any(r == resources + "*" for r in s["Resource"]), "the whole bucket")
    return {s["Sid"]: s for s in document["Statement"]}


def writer(document, resources):
    found = statements(document, resources)
    check(found["AssetfsPut"]["Action"] == "s3:PutObject", "the writer may not put")
    actions = {a for s in found.values() for a in ([s["Action"]] if isinstance(s["Action"], str) else s["Action"])}
    check(actions <= {"s3:PutObject", "s3:PutObjectTagging", "kms:GenerateDataKey", "kms:Decrypt"} | ({"s3:GetObject"} if "direct" in words else set()),
          f"the writer may {actions}")
    return set(found["AssetfsPut"]["Resource"])


def of_bucket(document, resources, mine):
    found = statements(document, resources)
    deny = found["AssetfsPutOnce"]
    check(deny["Effect"] == "Deny" and deny["Condition"] == {"Null": {"s3:if-none-match": "true"}, "Bool": {"s3:ObjectCreationOperation": "true"}},
          f"nobody is kept from replacing objects: {deny}")
    check(set(deny["Resource"]) == mine, "the writer's prefixes are others than those that are put once")
    check(("AssetfsRead" in found) == ("direct" not in words), "the CDN")
    if "AssetfsRead" in found:
        read = found["AssetfsRead"]
        check(read["Principal"] == {"Service": "cloudfront.amazonaws.com"} and "AWS:SourceArn" in read["Condition"]["StringEquals"], f"anybody's CDN: {read}")
        check(read["Action"] == "s3:GetObject", "the CDN may more than read")
    check(all(s["Effect"] == "Deny" for s in found.values() if s["Principal"] == "*"), "public")


def look_json():
    p = json.loads(text)
    check(p["bucket"] == bucket, "another bucket")
    resources = f"arn:aws:s3:::{bucket}/"
    mine = writer(p["writer_policy"], resources)
    check(mine == {f"{resources}{place}.assetfs/*", f"{resources}{place}files/*"}, f"prefixes: {mine}")
    of_bucket(p["bucket_policy"], resources, mine)
    check(list(p["public_access_block"].values()) == [True] * 4, "public access")
    for rule in p["lifecycle"]["Rules"]:
        check(set(rule) == {"ID", "Status", "Filter", "AbortIncompleteMultipartUpload"}, f"a rule that does more: {rule}")
        check(resources + rule["Filter"]["Prefix"] + "*" in mine, f"a rule for others: {rule}")
    check(p["kms"]["writer"]["Action"] == ["kms:GenerateDataKey", "kms:Decrypt"], "kms")
    check(any("lifecycle" in n and "age" in n for n in p["notes"]), "no warning against expiry")
    capitals = set(re.findall(r"\b[A-Z]+(?:_[A-Z]+)+\b|\bWRITER\b", json.dumps({k: v for k, v in p.items() if k not in ("replace", "notes")})))
    check(capitals <= set(p["replace"]), f"nobody says what {capitals - set(p['replace'])} is")
    check(("cloudfront" in p) == ("direct" not in words), "cloudfront")
    if "cloudfront" in p:
        look_at_cdn(p["cloudfront"])
    check(p["cors"]["CORSRules"][0]["AllowedMethods"] == ["GET", "HEAD"], "cors")


def look_at_cdn(cdn):
    journal, *_, default = cdn["behaviours"]
    check(journal["PathPattern"] == "/" + re.sub("[^A-Za-z0-9._~/-]+", "*", place) + ".assetfs/journal/*" and journal["CachePolicyId"] == "4135ea2d-6df8-44a3-9df3-4b5a84be39ad", "the journal is cached")
    check(default["PathPattern"] == "Default (*)", "no default")
    check(bool(default["TrustedKeyGroups"]) == ("signed" in words), "key groups")
    check(all(b["AllowedMethods"] == ["GET", "HEAD"] for b in cdn["behaviours"]), "methods")
    check({e["ErrorCode"]: e["ErrorCachingMinTTL"] for e in cdn["custom_error_responses"]} == {403: 0, 404: 0}, "errors are cached")


def look_terraform():
    import hcl
    d = hcl.loads(text)
    have = {f"{kind}.{name}" for kind, named in d["resource"].items() for name in named} | {f"var.{v}" for v in d["variable"]} | {"local.bucket"}
    wanted = set(re.findall(r"\b((?:aws_[a-z0-9_]+|var|local)\.[a-z_]+)", re.sub(r'description\s*=.*', "", text)))
    check(wanted <= have, f"refers to {wanted - have}")
    check({f"var.{v}" for v in d["variable"]} <= wanted, "a variable that nobody wants")
    declared = re.findall(r'^(?:resource|variable|output) ("[^{]*)\{', text, re.M)
    check(len(declared) == len(set(declared)), "something is there twice")
    resources = "${aws_s3_bucket.assets.arn}/"
    mine = writer(json.loads(d["resource"]["aws_iam_policy"]["assetfs_writer"]["policy"]), resources)
    of_bucket(json.loads(d["resource"]["aws_s3_bucket_policy"]["assets"]["policy"]), resources, mine)
    b = d["resource"]["aws_s3_bucket"]["assets"]
    check(d["locals"]["bucket"] == "${var.project}-assets-${var.environment}" and b["bucket"] == "local.bucket", f"the bucket's name: {b}")
    check(b["force_destroy"] == "var.environment!=prod" and 'force_destroy = var.environment != "prod"' in text, f"{b}")
    check(all(v is True for k, v in d["resource"]["aws_s3_bucket_public_access_block"]["assets"].items() if k != "bucket"), "public access")
    check(("aws_cloudfront_key_group" in d["resource"]) == ("signed" in words), "key group")
    check(("aws_cloudfront_distribution" in d["resource"]) == ("direct" not in words), "distribution")
    if "direct" not in words:
        cdn = d["resource"]["aws_cloudfront_distribution"]["assets"]
        check([e["error_caching_min_ttl"] for e in cdn["custom_error_response"]] == [0, 0], "errors are cached")
        check(("trusted_key_groups" in cdn["default_cache_behavior"]) == ("signed" in words), "signers")
    check("expiration" not in d["resource"]["aws_s3_bucket_lifecycle_configuration"]["assets"]["rule"][0], "objects expire")


look_json() if form == "json" else look_terraform()
