/* Features of text, hashed: the components of file paths, the n-grams of words. Any bytes are legal text.
 *
 * The id of a feature is the top `bits` bits (1 … 32) of mix(FNV-1a(kind byte, feature's bytes)): FNV-1a with 64 bits (Fowler, Noll,
 * Vo; draft-eastlake-fnv), then the finaliser of MurmurHash3 (Appleby), because the top bits of FNV-1a alone depend little on the
 * last bytes. FNV-1a goes on from any prefix, so all prefixes of a path cost one pass. Ids are part of the data sets: they never
 * change.
 *
 *   gw_path_features(line, n, bits, out, &about)   features of one line of a Debian Contents list,
 *                                                       path blanks [[area/]section/]package{,[[area/]section/]package}
 *                                                  whose first package counts. Directories and prefixes: one feature for each component
 *                                                  but the last, one for each path up to such a component; name: the last component;
 *                                                  extension: what follows its last '.', nothing if there is none. Empty components
 *                                                  are skipped. Returns the number of features, at most n + 2, or -1 for a line without
 *                                                  path or package. about: hashes of the section (0 if there is none) and the package.
 *   gw_word_features(text, n, longest, bits, out)  features of the 1 … longest-grams of words; a word is what stands between blanks,
 *                                                  tabs, line ends. Returns their number, at most longest * (n + 1) / 2.
 *
 * Both write the ids sorted, each once, to out, which has room for the most there can be.
 */
#ifndef GW_TEXT_H
#define GW_TEXT_H
#include <stdint.h>
#include "rows.h"

enum { GW_TEXT_DIRECTORY = 1, GW_TEXT_PREFIX, GW_TEXT_NAME, GW_TEXT_EXTENSION, GW_TEXT_SECTION, GW_TEXT_PACKAGE, GW_TEXT_WORDS };

typedef struct { uint64_t section, package; } gw_path_about;

static inline uint64_t gw_fnv_byte(uint64_t state, uint8_t byte) { return (state ^ byte) * 0x100000001b3ull; }

static inline uint64_t gw_fnv_start(int kind) { return gw_fnv_byte(0xcbf29ce484222325ull, (uint8_t)kind); }

static inline uint64_t gw_fnv(uint64_t state, const uint8_t *text, int64_t n)
{
    for (int64_t i = 0; i < n; i++) state = gw_fnv_byte(state, text[i]);
    return state;
}

static inline uint64_t gw_text_mix(uint64_t x)
{
    x ^= x >> 33; x *= 0xff51afd7ed558ccdull;
    x ^= x >> 33; x *= 0xc4ceb9fe1a85ec53ull;
    return x ^ x >> 33;
}

static inline uint64_t gw_text_hash(int kind, const uint8_t *text, int64_t n) { return gw_text_mix(gw_fnv(gw_fnv_start(kind), text, n)); }

static inline uint32_t gw_text_id(uint64_t state, int bits) { return (uint32_t)(gw_text_mix(state) >> (64 - bits)); }

static inline int gw_is_blank(uint8_t c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

/* Sorts n ids and drops the repeated ones; returns how many are left. */
static inline int64_t gw_distinct(uint32_t *ids, int64_t n)
{
    int64_t kept = 0;
    gw_row_sort(ids, 0, n);
    for (int64_t i = 0; i < n; i++)
        if (!kept || ids[kept - 1] != ids[i]) ids[kept++] = ids[i];
    return kept;
}

/* Hashes the first package of text[0 … n-1] and its section. Returns 0 if there is no package. */
static inline int gw_path_owner(const uint8_t *text, int64_t n, gw_path_about *about)
{
    int64_t end = 0, package = 0, section = 0;
    for (; end < n && text[end] != ','; end++)
        if (text[end] == '/') { section = package; package = end + 1; }
    about->section = package ? gw_text_hash(GW_TEXT_SECTION, text + section, package - 1 - section) : 0;
    about->package = gw_text_hash(GW_TEXT_PACKAGE, text + package, end - package);
    return end > package;
}

static inline int64_t gw_path_features(const uint8_t *line, int64_t n, int bits, uint32_t *out, gw_path_about *about)
{
    while (n && gw_is_blank(line[n - 1])) n--;
    int64_t owner = n;
    while (owner && !gw_is_blank(line[owner - 1])) owner--;
    int64_t length = owner;
    while (length && (gw_is_blank(line[length - 1]) || line[length - 1] == '/')) length--;
    if (!length || !gw_path_owner(line + owner, n - owner, about)) return -1;

    int64_t count = 0, start = 0, dot = length;
    uint64_t prefix = gw_fnv_start(GW_TEXT_PREFIX), directory = gw_fnv_start(GW_TEXT_DIRECTORY);
    for (int64_t i = 0; i < length; i++) {
        if (line[i] != '/') {
            directory = gw_fnv_byte(directory, line[i]);
        } else {
            if (i > start) {
                out[count++] = gw_text_id(directory, bits);
                out[count++] = gw_text_id(prefix, bits);
            }
            directory = gw_fnv_start(GW_TEXT_DIRECTORY);
            start = i + 1;
        }
        prefix = gw_fnv_byte(prefix, line[i]);
    }
    for (int64_t i = start; i < length; i++)
        if (line[i] == '.') dot = i + 1;
    out[count++] = gw_text_id(gw_fnv(gw_fnv_start(GW_TEXT_NAME), line + start, length - start), bits);
    out[count++] = gw_text_id(gw_fnv(gw_fnv_start(GW_TEXT_EXTENSION), line + dot, length - dot), bits);
    return gw_distinct(out, count);
}

static inline int64_t gw_word_end(const uint8_t *text, int64_t at, int64_t n)
{
    while (at < n && !gw_is_blank(text[at])) at++;
    return at;
}

static inline int64_t gw_word_start(const uint8_t *text, int64_t at, int64_t n)
{
    while (at < n && gw_is_blank(text[at])) at++;
    return at;
}

static inline int64_t gw_word_features(const uint8_t *text, int64_t n, int longest, int bits, uint32_t *out)
{
    int64_t count = 0;
    for (int64_t first = gw_word_start(text, 0, n); first < n; first = gw_word_start(text, gw_word_end(text, first, n), n)) {
        uint64_t state = gw_fnv_start(GW_TEXT_WORDS);
        for (int64_t words = 0, at = first; words < longest && at < n; words++) {
            int64_t end = gw_word_end(text, at, n);
            if (words) state = gw_fnv_byte(state, ' ');
            state = gw_fnv(state, text + at, end - at);
            out[count++] = gw_text_id(state, bits);
            at = gw_word_start(text, end, n);
        }
    }
    return gw_distinct(out, count);
}
#endif
