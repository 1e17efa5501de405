/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Which reads tests/real/cdn lets in if it was given a signer: those with CloudFront's signed URLs or cookies, RSA with SHA-1 or SHA-256 (njs takes ECDSA in another form than CloudFront does), canned and
 * custom policies. The policy is read by a JSON parser, and the signature checked by WebCrypto.
 */

/* CloudFront's base64. */
function decode(text) {
    return Buffer.from(text.replace(/-/g, '+').replace(/_/g, '=').replace(/~/g, '/'), 'base64');
}

const NAMES = ['Expires', 'Policy', 'Signature', 'Key-Pair-Id', 'Hash-Algorithm'];

/* {proof, rest}: what is CloudFront's of a query, and what is not. */
function take_query(query) {
    const proof = {}, rest = [];
    query.split('&').forEach(part => {
        const at = part.indexOf('='), name = part.slice(0, at);
        if (at > 0 && NAMES.includes(name)) {
            proof[name] = part.slice(at + 1);
        } else if (part) {
            rest.push(part);
        }
    });
    return {proof: proof, rest: rest.join('&')};
}

function take_cookies(cookie) {
    const proof = {};
    cookie.split(';').forEach(part => {
        const found = /^ *CloudFront-([^=]+)=(.*)$/.exec(part);
        if (found && NAMES.includes(found[1])) {
            proof[found[1]] = found[2];
        }
    });
    return proof;
}

function covers(pattern, url) {
    const source = pattern.replace(/[.+^${}()|[\]\\]/g, '\\$&').replace(/\*/g, '.*').replace(/\?/g, '.');
    return new RegExp('^' + source + '$').test(url);
}

function allows(policy, url, now) {
    const statement = JSON.parse(policy).Statement[0], condition = statement.Condition;
    return covers(statement.Resource, url) && now < condition.DateLessThan['AWS:EpochTime'] &&
        (!condition.DateGreaterThan || now > condition.DateGreaterThan['AWS:EpochTime']);
}

async function is_signed(r, proof, policy) {
    const hash = proof['Hash-Algorithm'] === 'SHA256' ? 'SHA-256' : 'SHA-1';
    const algorithm = {name: 'RSASSA-PKCS1-v1_5', hash: hash};
    const key = await crypto.subtle.importKey('spki', Buffer.from(r.variables.signer_key, 'base64'), algorithm, false, ['verify']);
    return crypto.subtle.verify(algorithm, key, decode(proof.Signature), Buffer.from(policy));
}

async function may_read(r) {
    const uri = r.variables.request_uri, at = uri.indexOf('?');
    const query = take_query(at < 0 ? '' : uri.slice(at + 1));
    const url = r.variables.scheme + '://' + r.variables.http_host + (at < 0 ? uri : uri.slice(0, at)) + (query.rest ? '?' + query.rest : '');
    const proof = query.proof.Signature ? query.proof : take_cookies(r.headersIn.Cookie || '');
    if (!proof.Signature || proof['Key-Pair-Id'] !== r.variables.signer_id || !(proof.Policy || proof.Expires)) {
        return false;
    }
    const policy = proof.Policy ? decode(proof.Policy).toString() :
        `{"Statement":[{"Resource":"${url}","Condition":{"DateLessThan":{"AWS:EpochTime":${proof.Expires}}}}]}`;
    return await is_signed(r, proof, policy) && allows(policy, url, Date.now() / 1000);
}

async function check(r) {
    let good = false;
    try {
        good = await may_read(r);
    } catch (e) {
        r.error('signed.js: ' + e);
    }
    r.return(good ? 200 : 403);
}

export default { check };
