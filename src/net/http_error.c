/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/http_parts.h"

static int connect_error(const struct http_call *c) {
    long os = 0;
    curl_easy_getinfo(c->easy, CURLINFO_OS_ERRNO, &os);
    switch (os) {
    case ETIMEDOUT:
        return -ETIMEDOUT;
    case EHOSTUNREACH:
    case ENETUNREACH:
    case EADDRNOTAVAIL:
        return -EHOSTUNREACH;
    case ECONNRESET:
        return -ECONNRESET;
    default:
        return -ECONNREFUSED;
    }
}

/* A handshake that was cut is a broken connection, one that was refused is a set-up that does not fit. curl
 * gives both the same number. */
static int handshake_error(const struct http_call *c) {
    static const char *const broken[] = {"SSL_ERROR_SYSCALL", "unexpected eof", "Connection reset",
                                         "SSL_ERROR_ZERO_RETURN"};
    for (size_t i = 0; i < ARRAY_SIZE(broken); i++)
        if (strstr(c->curl_said, broken[i]))
            return -ECONNRESET;
    return -EPROTO;
}

int http_error(const struct http_call *c, CURLcode code) {
    switch (code) {
    case CURLE_OK: /* cut in the head is fine with curl */
        return -ECONNRESET;
    case CURLE_OPERATION_TIMEDOUT:
        return -ETIMEDOUT;
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
        return -EHOSTUNREACH;
    case CURLE_COULDNT_CONNECT:
        return connect_error(c);
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_GOT_NOTHING:
    case CURLE_PARTIAL_FILE:
    case CURLE_AGAIN:
    case CURLE_SEND_FAIL_REWIND:
        return -ECONNRESET;
    case CURLE_SSL_CONNECT_ERROR:
        return handshake_error(c);
    case CURLE_READ_ERROR:
        return -EIO;
    default:
        return -EPROTO;
    }
}
