/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/xml.h"
#include "base/secret.h"
#include "base/utf8.h"
#include <libxml/SAX2.h>
#include <libxml/parser.h>
#include <libxml/parserInternals.h>
#include <libxml/tree.h>

/* Answers of S3 are three or four deep. */
#define DEPTH_MAX 32
#define WHITE " \t\r\n"
#define REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */

struct xml {
    xmlDocPtr doc;
    xmlNodePtr root;
};

static pthread_once_t initialised = PTHREAD_ONCE_INIT;

/* Answers of STS hold secrets, and the parser copies what it reads more than once. */
static void initialise(void) {
    xmlMemSetup(secret_release, malloc, secret_realloc, strdup);
    xmlInitParser();
}

/* "<!DOCTYPE": where entities would be declared. The parser stops before it reads any. */
static void refuse_dtd(void *ctx, const xmlChar *name, const xmlChar *external_id, const xmlChar *system_id) {
    (void)name, (void)external_id, (void)system_id;
    xmlParserCtxtPtr parser = ctx;
    xmlStopParser(parser);
    parser->wellFormed = 0;
}

static void start_element(void *ctx, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri, int n_ns,
                          const xmlChar **ns, int n_attributes, int n_defaulted, const xmlChar **attributes) {
    xmlParserCtxtPtr parser = ctx;
    xmlSAX2StartElementNs(ctx, name, prefix, uri, n_ns, ns, n_attributes, n_defaulted, attributes);
    if (parser->nodeNr > DEPTH_MAX) {
        xmlStopParser(parser);
        parser->wellFormed = 0;
    }
}

/* NULL: not what it should be. UTF-8 only, whatever a document claims to be: no converter is started on a
 * stranger's word. */
static xmlDocPtr read_document(const void *p, size_t n) {
    xmlParserCtxtPtr parser = xmlNewParserCtxt();
    if (!parser)
        return NULL;
    parser->sax->internalSubset = refuse_dtd;
    parser->sax->startElementNs = start_element;
    xmlDocPtr doc =
        xmlCtxtReadMemory(parser, p, (int)n, NULL, "UTF-8",
                          XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING | XML_PARSE_NOCDATA);
    xmlFreeParserCtxt(parser);
    return doc;
}

int xml_parse(const void *p, size_t n, struct xml **ret) {
    pthread_once(&initialised, initialise);
    if (n == 0 || n > XML_MAX || memchr(p, 0, n)) /* at a NUL the parser would take the rest for gone */
        return -EBADMSG;
    xmlDocPtr doc = read_document(p, n);
    if (!doc)
        return -EBADMSG;
    struct xml *x = xmalloc(sizeof *x);
    *x = (struct xml){.doc = doc, .root = xmlDocGetRootElement(doc)};
    if (!x->root || doc->intSubset || doc->extSubset) {
        xml_free(x);
        return -EBADMSG;
    }
    *ret = x;
    return 0;
}

struct xml *xml_free(struct xml *x) {
    if (!x)
        return NULL;
    xmlFreeDoc(x->doc);
    free(x);
    return NULL;
}

const char *xml_root(const struct xml *x) {
    return (const char *)x->root->name;
}

/* Below node, depth first, so that a first "a" without a "b" does not hide the "a/b" behind it. */
static xmlNodePtr find(xmlNodePtr node, const char *path) {
    if (!*path)
        return node;
    size_t n = strcspn(path, "/");
    const char *rest = path + n + (path[n] == '/');
    for (xmlNodePtr child = node->children; child; child = child->next) {
        const char *name = (const char *)child->name;
        if (child->type != XML_ELEMENT_NODE || strlen(name) != n || memcmp(name, path, n) != 0)
            continue;
        xmlNodePtr found = find(child, rest);
        if (found)
            return found;
    }
    return NULL;
}

static bool is_text(xmlNodePtr node) {
    return (node->type == XML_TEXT_NODE || node->type == XML_CDATA_SECTION_NODE) && node->content;
}

char *xml_text(const struct xml *x, const char *path) {
    xmlNodePtr node = find(x->root, path);
    if (!node)
        return NULL;
    size_t len = 0;
    for (xmlNodePtr child = node->children; child; child = child->next)
        if (is_text(child))
            len += strlen((const char *)child->content);
    char *text = xmalloc(len + 1), *end = text;
    for (xmlNodePtr child = node->children; child; child = child->next)
        if (is_text(child))
            end = stpcpy(end, (const char *)child->content);
    *end = '\0';
    while (end > text && strchr(WHITE, end[-1]))
        *--end = '\0';
    size_t white = strspn(text, WHITE);
    memmove(text, text + white, (size_t)(end - text) - white + 1);
    return text;
}

/* One character of text, of `len` bytes; 0: a byte that begins none. */
static void escape_char(struct buf *b, const char *s, size_t len) {
    static const char *const names[] = {
        ['&'] = "&amp;", ['<'] = "&lt;", ['>'] = "&gt;", ['"'] = "&quot;", ['\''] = "&apos;"};
    unsigned char c = (unsigned char)*s;
    bool noncharacter = len == 3 && (memcmp(s, "\xef\xbf\xbe", 3) == 0 || memcmp(s, "\xef\xbf\xbf", 3) == 0);
    if (len == 0 || noncharacter || (c < 0x20 && !strchr(WHITE, c)))
        buf_append_str(b, REPLACEMENT);
    else if (c < ARRAY_SIZE(names) && names[c])
        buf_append_str(b, names[c]);
    else if (c < 0x20 || c == 0x7f)
        buf_printf(b, "&#%u;", c);
    else
        buf_append(b, s, len);
}

void xml_escape(struct buf *b, const char *text) {
    for (size_t n = strlen(text), len; n > 0; text += MAX(len, (size_t)1), n -= MAX(len, (size_t)1)) {
        len = utf8_char(text, n);
        escape_char(b, text, len);
    }
}
