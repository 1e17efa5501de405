/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Invitations: the name, the keys and the certificates in one.
 */
#include "cmd/invitation.h"
#include "fuzz_main.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n) {
    CLEANUP_BUF struct buf why = BUF_INIT(4096), none = BUF_INIT(4096);
    CLEANUP_FREE char *text = xstrndup((const char *)p, n);
    CLEANUP_FREE char *name = invitation_parse_name(text, &why);
    uint8_t keys[4][SEAL_KEY_SIZE];
    MUST(name ? *name && why.len == 0 && !strchr(name, ']') : why.len > 0);
    int r = invitation_keys(text, keys, ARRAY_SIZE(keys), &none);
    MUST(r <= (int)ARRAY_SIZE(keys) && (r < 0) == (none.len > 0));
    CLEANUP_BUF struct buf pem = BUF_INIT(INVITATION_MAX), wrong = BUF_INIT(4096);
    r = invitation_ca(text, &pem, &wrong);
    MUST((r < 0) == (wrong.len > 0) && (r > 0) == (pem.len > 0));
    return 0;
}
