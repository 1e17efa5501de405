# SPDX-License-Identifier: GPL-2.0-or-later
#
# customer-get.py ENDPOINT CA BUCKET KEY [KEYFILE]: what the bucket's owner gets, asked by AWS's own library: STATUS CODE HEADER... of SSE-C, then the SHA-256 of the body.
# KEYFILE has a customer key in base64.

import base64
import hashlib
import sys

import botocore.client
import botocore.exceptions
import botocore.session

endpoint, ca, bucket, key = sys.argv[1:5]
client = botocore.session.Session().create_client(
    "s3", region_name="us-east-1", endpoint_url=endpoint, verify=ca, aws_access_key_id="OWNERKEY", aws_secret_access_key="ownersecret",
    config=botocore.client.Config(signature_version="s3v4", s3={"addressing_style": "path"}, retries={"max_attempts": 3, "mode": "standard"}))
extra = {}
if len(sys.argv) > 5:
    extra = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": base64.b64decode(open(sys.argv[5]).read())}
try:
    answer = client.get_object(Bucket=bucket, Key=key, **extra)
    print(200, answer.get("SSECustomerAlgorithm", "-"), hashlib.sha256(answer["Body"].read()).hexdigest())
except botocore.exceptions.ClientError as e:
    print(e.response["ResponseMetadata"]["HTTPStatusCode"], e.response["Error"].get("Code"))
