/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * How tests/real/cdn asks the bucket: AWS Signature Version 4 with the keys of the one user who may read it.
 */
import crypto from 'crypto';

const ACCESS_KEY = 'CDNKEY', SECRET_KEY = 'cdnsecret';
const REGION = 'us-east-1';
const PAYLOAD = 'UNSIGNED-PAYLOAD';

/* The path as the signature wants it: each byte percent-encoded but letters, digits, - . _ ~ and /. The viewer's own encoding may be another. */
function origin_path(r) {
    const path = r.variables.request_uri.split('?')[0];
    return '/' + r.variables.bucket + path.replace(/%([0-9a-f]{2})|[^A-Za-z0-9\-._~\/]/gi, (found, hex) => {
        const byte = hex ? parseInt(hex, 16) : found.charCodeAt(0);
        const char = String.fromCharCode(byte);
        return /[A-Za-z0-9\-._~\/]/.test(char) ? char : '%' + (byte < 16 ? '0' : '') + byte.toString(16).toUpperCase();
    });
}

function origin_date() {
    return new Date().toISOString().replace(/[-:]|\.\d+/g, '');
}

function hmac(key, text, encoding) {
    return crypto.createHmac('sha256', key).update(text).digest(encoding);
}

function origin_authorization(r) {
    const date = r.variables.origin_date, day = date.slice(0, 8);
    const scope = `${day}/${REGION}/s3/aws4_request`;
    const signed = 'host;x-amz-content-sha256;x-amz-date';
    const request = ['GET', r.variables.origin_path, '', 'host:' + r.variables.origin_host, 'x-amz-content-sha256:' + PAYLOAD, 'x-amz-date:' + date, '',
                     signed, PAYLOAD].join('\n');
    const digest = crypto.createHash('sha256').update(request).digest('hex');
    const key = [day, REGION, 's3', 'aws4_request'].reduce((k, part) => hmac(k, part), 'AWS4' + SECRET_KEY);
    const signature = hmac(key, ['AWS4-HMAC-SHA256', date, scope, digest].join('\n'), 'hex');
    return `AWS4-HMAC-SHA256 Credential=${ACCESS_KEY}/${scope}, SignedHeaders=${signed}, Signature=${signature}`;
}

export default { origin_path, origin_date, origin_authorization };
