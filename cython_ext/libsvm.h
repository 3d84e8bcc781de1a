/* A parser for svmlight / libsvm text.
 *
 *   line  = [ label [ qid:digits ] { index:value } ] [ "#" anything ]
 *   label, value = [+-] digits [ . digits ] [ e [+-] digits ]     at least one digit in the mantissa; . alone may start or end it
 *   index = at most 19 digits; below n_features when zero_based, else 1 … n_features
 *
 * Blanks are space, tab and carriage return, so CRLF files are fine. Lines without a label are skipped. Pairs may stand in any order
 * and come out sorted; an index that stands twice is an error. A number means the nearest double, rounded to float32, as in
 * scikit-learn; numbers beyond float32 and the words nan, inf and infinity are errors of their own.
 *
 *   const char *gw_parse_number(text, &value, &status)   reads one number; returns where it ends
 *   int gw_svm_parse(text, n, n_features, zero_based, &out)   reads whole lines
 *
 * text[n - 1] must be '\n'; GW_SVM_PAD more bytes must be readable, whatever they hold. The caller gives room for n / 2 + 1 rows and n / 4 + 1 pairs: a row has at
 * least 2 bytes ("1\n"), a pair 4 (" 1:1"). Nothing is allocated. On an error (not 0) out->error_at is the offset of what was wrong
 * in text, and the rows before its line are complete.
 */
#ifndef GW_LIBSVM_H
#define GW_LIBSVM_H
#include <float.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "rows.h"

enum { GW_SVM_OK, GW_SVM_LABEL, GW_SVM_PAIR, GW_SVM_VALUE, GW_SVM_INFINITE, GW_SVM_RANGE, GW_SVM_TWICE };

#define GW_SVM_PAD 8

typedef struct {
    float *labels;     /* rows */
    int64_t *line_at;  /* rows: offset of the line's first byte in text */
    int64_t *indptr;   /* rows + 1, indptr[0] = 0 */
    uint32_t *indices; /* nnz, zero-based, strictly increasing in each row */
    float *values;     /* nnz */
    int64_t rows, nnz;
    int all_ones;      /* whether every value is 1 */
    int64_t error_at;
    int64_t error_key; /* the index that stands twice, zero-based */
} gw_svm_rows;

static const double gw_exact_tens[23] = {1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18,
                                         1e19, 1e20, 1e21, 1e22};

static inline int gw_is_digit(char c) { return (unsigned char)(c - '0') < 10; }
static inline int gw_is_blank(char c) { return c == ' ' || c == '\t' || c == '\r'; }
static inline int gw_ends_token(char c) { return c == '\n' || c == '#' || gw_is_blank(c); }

static const uint32_t gw_tens[9] = {1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000};

/* Appends the run of digits at p to *w (mod 2^64); returns its end. Eight bytes at a time, without a branch
 * on how many of them are digits: those are hard to predict, and dearer than the arithmetic. */
static inline const char *gw_parse_digits(const char *p, uint64_t *w)
{
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    for (;;) {
        uint64_t x;
        memcpy(&x, p, 8);
        x ^= 0x3030303030303030u;
        /* the lowest bit that is set marks the first byte above 9: a carry only disturbs bytes behind it */
        uint64_t others = ((x + 0x7676767676767676u) | x) & 0x8080808080808080u;
        if (!others) {
            x = x * 10 + (x >> 8);
            x = ((x & 0x000000FF000000FFu) * 0x000F424000000064u + ((x >> 16) & 0x000000FF000000FFu) * 0x0000271000000001u) >> 32;
            *w = *w * 100000000u + x;
            p += 8;
            continue;
        }
        int count = __builtin_ctzll(others) >> 3;
        x = x << 8 << (56 - 8 * count); /* drops the others and puts zeros before the digits; count 0 leaves 0 */
        x = x * 10 + (x >> 8);
        x = ((x & 0x000000FF000000FFu) * 0x000F424000000064u + ((x >> 16) & 0x000000FF000000FFu) * 0x0000271000000001u) >> 32;
        *w = *w * gw_tens[count] + x;
        return p + count;
    }
#else
    while (gw_is_digit(*p)) *w = *w * 10 + (uint64_t)(*p++ - '0');
    return p;
#endif
}

/* The word in lower case at p, and then the end of the token? */
static int gw_is_word(const char *p, const char *word)
{
    for (; *word; p++, word++)
        if ((*p | 32) != *word) return 0;
    return gw_ends_token(*p);
}

/* The number whose mantissa is written in [p, end), digits and perhaps a point, times 10^exponent. strtod gets a bounded copy without
 * the point, so the locale does not matter. 800 significant digits decide every rounding (767 do); of the rest only counts whether
 * one is not 0. */
static double gw_slow_number(const char *p, const char *end, int64_t exponent)
{
    enum { MOST = 800 };
    char copy[MOST + 32];
    int length = 0, sticky = 0, fraction = 0;
    for (; p < end; p++) {
        if (*p == '.') { fraction = 1; continue; }
        exponent -= fraction;
        if (length == 0 && *p == '0') continue;
        if (length < MOST) copy[length++] = *p;
        else { sticky |= *p != '0'; exponent++; }
    }
    if (length == 0) return 0.0;
    copy[length++] = sticky ? '1' : '0';
    exponent--;
    if (exponent > 100000) exponent = 100000;
    if (exponent < -100000) exponent = -100000;
    copy[length++] = 'e';
    if (exponent < 0) { copy[length++] = '-'; exponent = -exponent; }
    char digits[8];
    int count = 0;
    do { digits[count++] = (char)('0' + exponent % 10); exponent /= 10; } while (exponent);
    while (count) copy[length++] = digits[--count];
    copy[length] = 0;
    return strtod(copy, 0);
}

/* w / 10^digits, rounded once to the nearest double, for 0 < w and digits ≤ 19: an exact 128-bit quotient with a sticky last bit. */
static inline double gw_quotient(uint64_t w, int digits)
{
#ifdef __SIZEOF_INT128__
    static const uint64_t tens[20] = {1u, 10u, 100u, 1000u, 10000u, 100000u, 1000000u, 10000000u, 100000000u, 1000000000u, 10000000000u,
                                      100000000000u, 1000000000000u, 10000000000000u, 100000000000000u, 1000000000000000u,
                                      10000000000000000u, 100000000000000000u, 1000000000000000000u, 10000000000000000000u};
    int zeros = __builtin_clzll(w), ten_zeros = __builtin_clzll(tens[digits]);
    /* both operands get their top bit set, so the quotient lies in [2^62, 2^64): more than 53 bits, and it fits */
    unsigned __int128 top = (unsigned __int128)(w << zeros) << 63;
    uint64_t divisor = tens[digits] << ten_zeros;
    uint64_t quotient = (uint64_t)(top / divisor);
    quotient |= (unsigned __int128)quotient * divisor != top;
    double scale = 1.0;
    int shift = 63 + zeros - ten_zeros; /* the value is quotient / 2^shift, and |shift| < 127 */
    uint64_t bits = (uint64_t)(1023 - shift) << 52;
    memcpy(&scale, &bits, 8);
    return (double)quotient * scale;
#else
    (void)w; (void)digits;
    return -1.0;
#endif
}

/* Reads a number at p. status: GW_SVM_OK; GW_SVM_INFINITE for one that is not a finite float32; GW_SVM_VALUE for no number. */
static inline const char *gw_parse_number(const char *p, float *value, int *status)
{
    int negative = *p == '-';
    p += negative || *p == '+';
    const char *mantissa = p;
    uint64_t w = 0;
    int64_t exponent = 0, digits;
    p = gw_parse_digits(p, &w);
    digits = p - mantissa;
    if (*p == '.') {
        const char *fraction = ++p;
        p = gw_parse_digits(p, &w);
        exponent = fraction - p;
        digits -= exponent;
    }
    const char *end = p;
    if (digits == 0) {
        *status = gw_is_word(mantissa, "nan") || gw_is_word(mantissa, "inf") || gw_is_word(mantissa, "infinity") ? GW_SVM_INFINITE : GW_SVM_VALUE;
        return p;
    }
    int64_t written = 0;
    if ((*p | 32) == 'e') {
        const char *q = p + 1;
        int down = *q == '-';
        q += down || *q == '+';
        if (!gw_is_digit(*q)) { *status = GW_SVM_VALUE; return p; }
        for (; gw_is_digit(*q); q++)
            if (written < 100000000000000000) written = written * 10 + (*q - '0');
        p = q;
        if (down) written = -written;
        exponent += written;
    }
    if (digits > 19) { /* perhaps only for its leading zeros; if w wrapped around, it must not be used */
        const char *q = mantissa;
        while (q < end && (*q == '0' || *q == '.')) { digits -= *q == '0'; q++; }
    }
    double x;
    if (digits > 19) x = gw_slow_number(mantissa, end, written);
    else if (w <= 1ull << 53 && exponent >= -22 && exponent <= 22) /* Clinger 1990: both operands and hence one rounding are exact */
        x = exponent < 0 ? (double)w / gw_exact_tens[-exponent] : (double)w * gw_exact_tens[exponent];
    else if (w && exponent >= -19 && exponent <= 0 && (x = gw_quotient(w, (int)-exponent)) >= 0) {}
    else x = gw_slow_number(mantissa, end, written);
    float f = (float)(negative ? -x : x);
    *value = f;
    *status = f >= -FLT_MAX && f <= FLT_MAX ? GW_SVM_OK : GW_SVM_INFINITE;
    return p;
}

/* Skips an optional qid:digits at p. */
static inline const char *gw_skip_qid(const char *p)
{
    if (p[0] != 'q' || p[1] != 'i' || p[2] != 'd' || p[3] != ':' || !gw_is_digit(p[4])) return p;
    const char *q = p + 4;
    while (gw_is_digit(*q)) q++;
    return gw_ends_token(*q) ? q : p;
}

/* Reads the pairs of one line from p, which stands before a blank or the line's end, up to the end of the line or a '#'. */
static inline const char *gw_svm_pairs(const char *p, uint64_t first, uint64_t n_features, gw_svm_rows *out, int *error)
{
    int64_t start = out->nnz, nnz = start;
    int64_t last = -1;
    int unsorted = 0, others = 0;
    for (;;) {
        while (gw_is_blank(*p)) p++;
        if (*p == '\n' || *p == '#') break;
        const char *token = p;
        uint64_t key = 0;
        p = gw_parse_digits(p, &key);
        if (p == token || *p != ':') { *error = GW_SVM_PAIR; return token; }
        if (key - first >= n_features || p - token > 19) { *error = GW_SVM_RANGE; return token; }
        p++;
        float value = 1.0f;
        if (*p == '1' && gw_ends_token(p[1])) p++;
        else {
            const char *number = p;
            p = gw_parse_number(p, &value, error);
            if (*error == GW_SVM_OK && !gw_ends_token(*p)) *error = GW_SVM_VALUE;
            if (*error) return *error == GW_SVM_VALUE ? token : number;
            others |= value != 1.0f;
        }
        int64_t index = (int64_t)(key - first);
        unsorted |= index <= last;
        last = index;
        out->indices[nnz] = (uint32_t)index;
        out->values[nnz++] = value;
    }
    if (unsorted) {
        gw_row_sort(out->indices + start, out->values + start, nnz - start);
        for (int64_t i = start + 1; i < nnz; i++)
            if (out->indices[i] == out->indices[i - 1]) {
                *error = GW_SVM_TWICE;
                out->error_key = out->indices[i];
                break;
            }
    }
    if (others) out->all_ones = 0;
    out->nnz = nnz;
    return p;
}

static int gw_svm_parse(const char *text, int64_t n, uint64_t n_features, int zero_based, gw_svm_rows *out)
{
    const char *p = text, *stop = text + n;
    int error = GW_SVM_OK;
    out->rows = out->nnz = out->indptr[0] = 0;
    out->error_at = out->error_key = 0;
    out->all_ones = 1;
    while (p < stop) {
        const char *line = p;
        while (gw_is_blank(*p)) p++;
        if (*p != '\n' && *p != '#') {
            const char *token = p;
            int64_t nnz = out->nnz;
            p = gw_parse_number(p, &out->labels[out->rows], &error);
            if (error == GW_SVM_OK && !gw_ends_token(*p)) error = GW_SVM_VALUE;
            if (error) { out->error_at = token - text; return error == GW_SVM_VALUE ? GW_SVM_LABEL : error; }
            while (gw_is_blank(*p)) p++;
            p = gw_svm_pairs(gw_skip_qid(p), !zero_based, n_features, out, &error);
            if (error) {
                out->error_at = (error == GW_SVM_TWICE ? line : p) - text;
                out->nnz = nnz;
                return error;
            }
            out->line_at[out->rows++] = line - text;
            out->indptr[out->rows] = out->nnz;
        }
        if (*p != '\n') p = memchr(p, '\n', (size_t)(stop - p));
        p++;
    }
    return GW_SVM_OK;
}
#endif
