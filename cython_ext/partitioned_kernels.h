/* The loops of partitioned.h, for one level. */
/* Lanes of 16 bits: `halves` times 16 of them. */
#if GW_LEVEL >= GW_AVX2
typedef struct {
    __m256i x[2];
} GW_AT(gw_lanes);
#define GW_EACH_HALF(expression) \
    GW_AT(gw_lanes) r = a;       \
    for (int h = 0; h < halves; h++) r.x[h] = expression; \
    return r

GW_INLINE GW_AT(gw_lanes) GW_AT(gw_lanes_load)(const int16_t *p, int halves)
{
    GW_AT(gw_lanes) r = {{_mm256_setzero_si256(), _mm256_setzero_si256()}};
    for (int h = 0; h < halves; h++) r.x[h] = _mm256_loadu_si256((const __m256i *)(p + 16 * h));
    return r;
}
GW_INLINE void GW_AT(gw_lanes_store)(int16_t *p, GW_AT(gw_lanes) a, int halves)
{
    for (int h = 0; h < halves; h++) _mm256_storeu_si256((__m256i *)(p + 16 * h), a.x[h]);
}
GW_INLINE GW_AT(gw_lanes) GW_AT(gw_lanes_all)(int value)
{
    __m256i x = _mm256_set1_epi16((int16_t)value);
    return (GW_AT(gw_lanes)){{x, x}};
}
GW_INLINE GW_AT(gw_lanes) GW_AT(gw_lanes_add)(GW_AT(gw_lanes) a, GW_AT(gw_lanes) b, int halves) { GW_EACH_HALF(_mm256_add_epi16(a.x[h], b.x[h])); }
GW_INLINE GW_AT(gw_lanes) GW_AT(gw_lanes_sub)(GW_AT(gw_lanes) a, GW_AT(gw_lanes) b, int halves) { GW_EACH_HALF(_mm256_sub_epi16(a.x[h], b.x[h])); }
GW_INLINE GW_AT(gw_lanes) GW_AT(gw_lanes_min)(GW_AT(gw_lanes) a, GW_AT(gw_lanes) b, int halves) { GW_EACH_HALF(_mm256_min_epi16(a.x[h], b.x[h])); }
GW_INLINE GW_AT(gw_lanes) GW_AT(gw_lanes_max)(GW_AT(gw_lanes) a, GW_AT(gw_lanes) b, int halves) { GW_EACH_HALF(_mm256_max_epi16(a.x[h], b.x[h])); }
GW_INLINE int GW_AT(gw_lanes_least)(GW_AT(gw_lanes) a, int halves)
{
    __m256i x = halves == 2 ? _mm256_min_epi16(a.x[0], a.x[1]) : a.x[0];
    __m128i least = _mm_minpos_epu16(_mm_min_epi16(_mm256_castsi256_si128(x), _mm256_extracti128_si256(x, 1))); /* none is negative */
    return (uint16_t)_mm_cvtsi128_si32(least);
}
#else
typedef struct {
    int16_t x[GW_PARTITIONED_LANES];
} GW_AT(gw_lanes);
#define GW_EACH_HALF(expression)                                  \
    GW_AT(gw_lanes) r;                                            \
    for (int h = 0; h < 16 * halves; h++) r.x[h] = (int16_t)(expression); \
    return r

GW_INLINE GW_AT(gw_lanes) GW_AT(gw_lanes_load)(const int16_t *p, int halves) { GW_EACH_HALF(p[h]); }
GW_INLINE void GW_AT(gw_lanes_store)(int16_t *p, GW_AT(gw_lanes) a, int halves)
{
    for (int h = 0; h < 16 * halves; h++) p[h] = a.x[h];
}
GW_INLINE GW_AT(gw_lanes) GW_AT(gw_lanes_all)(int value)
{
    int halves = 2;
    GW_EACH_HALF(value);
}
GW_INLINE GW_AT(gw_lanes) GW_AT(gw_lanes_add)(GW_AT(gw_lanes) a, GW_AT(gw_lanes) b, int halves) { GW_EACH_HALF(a.x[h] + b.x[h]); }
GW_INLINE GW_AT(gw_lanes) GW_AT(gw_lanes_sub)(GW_AT(gw_lanes) a, GW_AT(gw_lanes) b, int halves) { GW_EACH_HALF(a.x[h] - b.x[h]); }
GW_INLINE GW_AT(gw_lanes) GW_AT(gw_lanes_min)(GW_AT(gw_lanes) a, GW_AT(gw_lanes) b, int halves) { GW_EACH_HALF(a.x[h] < b.x[h] ? a.x[h] : b.x[h]); }
GW_INLINE GW_AT(gw_lanes) GW_AT(gw_lanes_max)(GW_AT(gw_lanes) a, GW_AT(gw_lanes) b, int halves) { GW_EACH_HALF(a.x[h] > b.x[h] ? a.x[h] : b.x[h]); }
GW_INLINE int GW_AT(gw_lanes_least)(GW_AT(gw_lanes) a, int halves)
{
    int16_t least = a.x[0];
    for (int h = 1; h < 16 * halves; h++) least = a.x[h] < least ? a.x[h] : least;
    return least;
}
#endif
#undef GW_EACH_HALF

#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))

/* suffix[t]: the least of the positions start + t … start + longest - 1, relative to `next` = start + longest, where g is known. */
GW_INLINE void GW_AT(gw_partitioned_suffix)(const uint8_t *widths, const uint16_t *g, int longest, int cost, const gw_partitioned_tables *t,
                                            int halves, int16_t (*suffix)[GW_PARTITIONED_LANES])
{
    GW_AT(gw_lanes) width = GW_AT(gw_lanes_load)(t->width, halves), way = GW_AT(gw_lanes_all)(cost - g[longest]);
    GW_AT(gw_lanes) least = GW_AT(gw_lanes_all)(GW_PARTITIONED_INFINITE);
    int widest = 0;
    for (int r = longest - 1; r > 0; r--) {
        widest = MAX(widest, widths[r]);
        way = GW_AT(gw_lanes_add)(way, width, halves); /* cost + b · (longest - r) - g(next) */
        GW_AT(gw_lanes) at = GW_AT(gw_lanes_add)(GW_AT(gw_lanes_all)((int16_t)g[r]), way, halves);
        at = GW_AT(gw_lanes_max)(at, GW_AT(gw_lanes_load)(t->clear[widest], halves), halves);
        least = GW_AT(gw_lanes_min)(least, at, halves);
        GW_AT(gw_lanes_store)(suffix[r], least, halves);
    }
}

GW_INLINE int64_t GW_AT(gw_partitioned_plan_halves)(const uint8_t *widths, int64_t n, const gw_partitioned_tables *t, int l, int cost,
                                                    int halves, uint16_t *g)
{
    int16_t suffix[GW_PARTITIONED_LONGEST + 1][GW_PARTITIONED_LANES];
    int longest = 1 << l;
    int64_t base = 0; /* g of the block's start; the g's below are relative to it */
    GW_AT(gw_lanes) width = GW_AT(gw_lanes_load)(t->width, halves), infinite = GW_AT(gw_lanes_all)(GW_PARTITIONED_INFINITE);
    for (int r = 0; r <= longest; r++) GW_AT(gw_lanes_store)(suffix[r], infinite, halves);
    g[0] = 0;
    for (int64_t start = 0; start < n; start += longest) {
        int count = (int)MIN((int64_t)longest, n - start), widest = 0;
        int w1 = 0, w2 = 0, w3 = 0; /* the widest of the last one, two, three gaps */
        int g1 = 0, g2 = GW_PARTITIONED_INFINITE, g3 = g2, g4 = g2; /* g of the last four positions */
        GW_AT(gw_lanes) least = infinite;                           /* of the positions in this block but the last three */
        GW_AT(gw_lanes) way = GW_AT(gw_lanes_all)(0), four = GW_AT(gw_lanes_add)(width, width, halves);
        GW_AT(gw_lanes) entered = GW_AT(gw_lanes_sub)(GW_AT(gw_lanes_all)(cost), GW_AT(gw_lanes_all)(0), halves);
        four = GW_AT(gw_lanes_add)(four, four, halves);
        entered = GW_AT(gw_lanes_add)(entered, four, halves); /* cost - b · (r - 4) */
        for (int r = 1; r <= count; r++) {
            int w = widths[start + r - 1];
            entered = GW_AT(gw_lanes_sub)(entered, width, halves);
            way = GW_AT(gw_lanes_add)(way, width, halves); /* b · r */
            GW_AT(gw_lanes) at = GW_AT(gw_lanes_add)(GW_AT(gw_lanes_all)(g4), entered, halves);
            at = GW_AT(gw_lanes_max)(at, GW_AT(gw_lanes_load)(t->clear[w3], halves), halves);
            least = GW_AT(gw_lanes_min)(least, at, halves);
            least = GW_AT(gw_lanes_max)(least, GW_AT(gw_lanes_load)(t->clear[w], halves), halves);
            widest = MAX(widest, w);
            w3 = MAX(w2, w);
            w2 = MAX(w1, w);
            w1 = w;
            at = GW_AT(gw_lanes_max)(GW_AT(gw_lanes_load)(suffix[r], halves), GW_AT(gw_lanes_load)(t->clear[widest], halves), halves);
            at = GW_AT(gw_lanes_add)(GW_AT(gw_lanes_min)(least, at, halves), way, halves);
            int best = GW_AT(gw_lanes_least)(at, halves);
            best = MIN(best, g3 + t->near[3][w3]);
            best = MIN(best, g2 + t->near[2][w2]);
            best = MIN(best, g1 + t->near[1][w1]);
            g[start + r] = (uint16_t)(base + best);
            g4 = g3;
            g3 = g2;
            g2 = g1;
            g1 = best;
        }
        base += g1;
        if (count == longest) GW_AT(gw_partitioned_suffix)(widths + start, g + start, longest, cost, t, halves, suffix);
    }
    return base;
}

static int64_t GW_AT(gw_partitioned_plan_with)(const uint8_t *widths, int64_t n, const gw_partitioned_tables *t, int l, int cost, uint16_t *g)
{
    return t->lanes <= 16 ? GW_AT(gw_partitioned_plan_halves)(widths, n, t, l, cost, 1, g)
                          : GW_AT(gw_partitioned_plan_halves)(widths, n, t, l, cost, 2, g);
}

/* Gaps of keys[from … to), the key before them known to exist or to be -1. */
GW_INLINE void GW_AT(gw_partitioned_gaps)(const uint32_t *keys, int64_t from, int64_t to, uint32_t *gaps)
{
    if (from == 0 && to > 0) gaps[0] = keys[0];
    for (int64_t i = from ? from : 1; i < to; i++) gaps[i - from] = keys[i] - keys[i - 1] - 1;
}

static void GW_AT(gw_partitioned_widths)(const uint32_t *keys, int64_t n, uint8_t *widths, int64_t *counts)
{
    enum { BLOCK = 256 };
    uint32_t gaps[BLOCK], lane[4][GW_PARTITIONED_WIDTHS];
    for (int b = 0; b < GW_PARTITIONED_WIDTHS; b++) counts[b] = 0;
    for (int64_t i = 0; i < n;) {
        int64_t stop = MIN(n, i + ((int64_t)1 << 30)); /* so that 32 bits hold the counts */
        memset(lane, 0, sizeof lane);
        for (; i < stop; i += BLOCK) {
            int m = (int)MIN(BLOCK, stop - i), k = 0;
            GW_AT(gw_partitioned_gaps)(keys, i, i + m, gaps);
#if GW_LEVEL == GW_AVX512
            for (; k + 16 <= m; k += 16) {
                __m512i zeros = _mm512_lzcnt_epi32(_mm512_loadu_si512(gaps + k));
                _mm_storeu_si128((__m128i *)(widths + i + k), _mm512_cvtepi32_epi8(_mm512_sub_epi32(_mm512_set1_epi32(32), zeros)));
            }
#elif GW_LEVEL == GW_AVX2
            for (; k + 8 <= m; k += 8) { /* the exponent as a float; without the bit below the highest one it never rounds up to the next */
                __m256i x = _mm256_loadu_si256((const __m256i *)(gaps + k)), wide = _mm256_srai_epi32(x, 31);
                x = _mm256_andnot_si256(_mm256_srli_epi32(x, 1), x);
                x = _mm256_srli_epi32(_mm256_slli_epi32(_mm256_castps_si256(_mm256_cvtepi32_ps(x)), 1), 24);
                x = _mm256_subs_epu16(x, _mm256_set1_epi32(126));
                x = _mm256_blendv_epi8(x, _mm256_set1_epi32(32), wide); /* not of the float: that was negative */
                __m128i half = _mm_packus_epi32(_mm256_castsi256_si128(x), _mm256_extracti128_si256(x, 1));
                _mm_storel_epi64((__m128i *)(widths + i + k), _mm_packus_epi16(half, half));
            }
#endif
            for (; k < m; k++) widths[i + k] = (uint8_t)gw_bit_width(gaps[k]);
            for (k = 0; k + 4 <= m; k += 4) /* four tables: equal widths in a row need not wait for each other */
                for (int j = 0; j < 4; j++) lane[j][widths[i + k + j]]++;
            for (; k < m; k++) lane[0][widths[i + k]]++;
        }
        i = stop;
        for (int b = 0; b < GW_PARTITIONED_WIDTHS; b++) counts[b] += (int64_t)lane[0][b] + lane[1][b] + lane[2][b] + lane[3][b];
    }
}

/* Appends `count` gaps of `width` bits; may look at 7 gaps more. */
GW_INLINE void GW_AT(gw_write_gaps)(gw_bit_writer *w, const uint32_t *gaps, int count, unsigned width)
{
    if (width == 0) return;
#if GW_LEVEL >= GW_AVX2
    uint64_t low = ((uint64_t)1 << width) - 1;
    int step = width <= 8 ? 8 : width <= 16 ? 4 : 2;
    uint64_t mask = low * (width <= 8 ? 0x0101010101010101u : width <= 16 ? 0x0001000100010001u : 0x0000000100000001u);
    for (int k = 0; k < count; k += step) {
        uint64_t word;
        if (width <= 8) {
            __m128i a = _mm_loadu_si128((const __m128i *)(gaps + k)), b = _mm_loadu_si128((const __m128i *)(gaps + k + 4));
            a = _mm_packus_epi32(a, b);
            word = (uint64_t)_mm_cvtsi128_si64(_mm_packus_epi16(a, a));
        } else if (width <= 16) {
            __m128i a = _mm_loadu_si128((const __m128i *)(gaps + k));
            word = (uint64_t)_mm_cvtsi128_si64(_mm_packus_epi32(a, a));
        } else
            word = gaps[k] | (uint64_t)gaps[k + 1] << 32;
        unsigned bits = (unsigned)MIN(step, count - k) * width;
        gw_write_bits(w, _bzhi_u64(_pext_u64(word, mask), bits), bits);
    }
#else
    for (int k = 0; k < count;) {
        uint64_t word = 0;
        unsigned bits = 0;
        for (; k < count && bits + width <= 64; k++, bits += width) word |= (uint64_t)gaps[k] << bits;
        gw_write_bits(w, word, bits);
    }
#endif
}

static int64_t GW_AT(gw_partitioned_pack)(const uint32_t *keys, int64_t n, const uint16_t *plan, int64_t parts, int l, int f,
                                          const uint8_t *field, uint8_t *out)
{
    uint32_t gaps[GW_PARTITIONED_CHUNK + 8] = {0};
    gw_bit_writer w = {.p = out};
    for (int64_t q = 0; q < parts; q++)
        gw_write_bits(&w, (plan[q] & 255u) | (uint64_t)field[plan[q] >> 8] << l, (unsigned)(l + f));
    for (int64_t q = 0, i = 0, ready = 0, at = 0; q < parts; q++) { /* `ready` gaps from key i on stand in `gaps`, `at` of them are written */
        int count = (plan[q] & 255) + 1;
        if (ready - at < count) {
            i += at;
            at = 0;
            ready = MIN(n - i, GW_PARTITIONED_CHUNK);
            GW_AT(gw_partitioned_gaps)(keys, i, i + ready, gaps);
        }
        GW_AT(gw_write_gaps)(&w, gaps + at, count, plan[q] >> 8);
        at += count;
    }
    gw_store64(w.p, w.pending);
    return w.p + (w.fill + 7) / 8 - out;
}

/* Reads `count` gaps of `width` bits from bit `at` on; writes up to 31 elements more, and looks at as many gaps. */
GW_INLINE void GW_AT(gw_read_gaps)(const gw_view *v, int64_t at, int count, unsigned width, uint32_t *gaps)
{
    int k = 0;
#if GW_LEVEL == GW_AVX512
    const __m512i spread = _mm512_set_epi32(0x3C3C3C3C, 0x38383838, 0x34343434, 0x30303030, 0x2C2C2C2C, 0x28282828, 0x24242424, 0x20202020,
                                            0x1C1C1C1C, 0x18181818, 0x14141414, 0x10101010, 0x0C0C0C0C, 0x08080808, 0x04040404, 0);
    const __m512i iota = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
    __m512i first = _mm512_mullo_epi16(iota, _mm512_set1_epi32((int)width)), mask = _mm512_set1_epi32((int)(((uint64_t)1 << width) - 1));
    for (; width <= 25 && k < count; k += 32, at += 32 * width) { /* two steps at once: fewer surprises for the branch predictor */
        const uint8_t *base = gw_view_at(v, at >> 3);
        unsigned from_bit = at & 7;
        for (int step = 0; step < 32; step += 16, from_bit += 16 * width) { /* 16 gaps are at most 51 bytes */
            __m512i bytes = _mm512_loadu_si512(base + (from_bit >> 3)), bit = _mm512_add_epi32(first, _mm512_set1_epi32((int)(from_bit & 7)));
            __m512i from = _mm512_add_epi32(_mm512_permutexvar_epi8(spread, _mm512_srli_epi32(bit, 3)), _mm512_set1_epi32(0x03020100));
            __m512i x = _mm512_srlv_epi32(_mm512_permutexvar_epi8(from, bytes), _mm512_and_si512(bit, _mm512_set1_epi32(7)));
            _mm512_storeu_si512(gaps + k + step, _mm512_and_si512(x, mask));
        }
    }
#elif GW_LEVEL == GW_AVX2
    const __m256i spread = _mm256_set_epi32(0x0C0C0C0C, 0x08080808, 0x04040404, 0, 0x0C0C0C0C, 0x08080808, 0x04040404, 0);
    __m256i first = _mm256_mullo_epi16(_mm256_set_epi32(3, 2, 1, 0, 3, 2, 1, 0), _mm256_set1_epi32((int)width));
    __m256i mask = _mm256_set1_epi32((int)(((uint64_t)1 << width) - 1));
    for (; width <= 25 && k < count; k += 32, at += 32 * width) {
        const uint8_t *base = gw_view_at(v, at >> 3);
        unsigned low = at & 7, high = low + 4 * width;
        for (int step = 0; step < 32; step += 8, low += 8 * width, high += 8 * width) { /* each half holds 4 gaps, at most 14 bytes */
            __m128i low4 = _mm_loadu_si128((const __m128i *)(base + (low >> 3)));
            __m128i high4 = _mm_loadu_si128((const __m128i *)(base + (high >> 3)));
            __m256i bytes = _mm256_inserti128_si256(_mm256_castsi128_si256(low4), high4, 1);
            __m256i bit = _mm256_inserti128_si256(_mm256_set1_epi32((int)(low & 7)), _mm_set1_epi32((int)(high & 7)), 1);
            bit = _mm256_add_epi32(first, bit);
            __m256i from = _mm256_add_epi32(_mm256_shuffle_epi8(_mm256_srli_epi32(bit, 3), spread), _mm256_set1_epi32(0x03020100));
            __m256i x = _mm256_srlv_epi32(_mm256_shuffle_epi8(bytes, from), _mm256_and_si256(bit, _mm256_set1_epi32(7)));
            _mm256_storeu_si256((__m256i *)(gaps + k + step), _mm256_and_si256(x, mask));
        }
    }
#endif
    for (uint64_t low = ((uint64_t)1 << width) - 1; k < count; k++, at += width)
        gaps[k] = (uint32_t)(gw_load64(gw_view_at(v, at >> 3)) >> (at & 7) & low);
}

/* keys[j] = last + Σ of (gaps + 1) up to j, j < count. Returns whether a sum passed 2^32; the first key of all cannot. */
GW_INLINE int GW_AT(gw_partitioned_sum)(const uint32_t *gaps, int64_t count, uint32_t *last, int is_first, uint32_t *keys)
{
    uint32_t key = *last;
    int wrapped = 0;
    int64_t j = 0;
    if (is_first) keys[j] = key = gaps[j], j++;
#if GW_LEVEL == GW_AVX512
    __m512i carry = _mm512_set1_epi32((int)key), zero = _mm512_setzero_si512();
    __mmask16 bad = 0;
    for (; j + 16 <= count; j += 16) {
        __m512i gap = _mm512_loadu_si512(gaps + j), x = _mm512_add_epi32(gap, _mm512_set1_epi32(1));
        x = _mm512_add_epi32(x, _mm512_alignr_epi32(x, zero, 15));
        x = _mm512_add_epi32(x, _mm512_alignr_epi32(x, zero, 14));
        x = _mm512_add_epi32(x, _mm512_alignr_epi32(x, zero, 12));
        x = _mm512_add_epi32(x, _mm512_alignr_epi32(x, zero, 8));
        x = _mm512_add_epi32(x, carry);
        _mm512_storeu_si512(keys + j, x);
        bad |= _mm512_cmple_epu32_mask(x, gap);
        carry = _mm512_permutexvar_epi32(_mm512_set1_epi32(15), x);
    }
    key = (uint32_t)_mm_cvtsi128_si32(_mm512_castsi512_si128(carry));
    wrapped = bad != 0;
#elif GW_LEVEL == GW_AVX2
    __m256i carry = _mm256_set1_epi32((int)key), bad = _mm256_setzero_si256();
    for (; j + 8 <= count; j += 8) {
        __m256i gap = _mm256_loadu_si256((const __m256i *)(gaps + j)), x = _mm256_add_epi32(gap, _mm256_set1_epi32(1));
        x = _mm256_add_epi32(x, _mm256_slli_si256(x, 4));
        x = _mm256_add_epi32(x, _mm256_slli_si256(x, 8));
        __m256i low = _mm256_permutevar8x32_epi32(x, _mm256_set1_epi32(3));
        x = _mm256_add_epi32(x, _mm256_blend_epi32(_mm256_setzero_si256(), low, 0xF0));
        x = _mm256_add_epi32(x, carry);
        _mm256_storeu_si256((__m256i *)(keys + j), x);
        bad = _mm256_or_si256(bad, _mm256_cmpeq_epi32(_mm256_max_epu32(x, gap), gap));
        carry = _mm256_permutevar8x32_epi32(x, _mm256_set1_epi32(7));
    }
    key = (uint32_t)_mm256_cvtsi256_si32(carry);
    wrapped = !_mm256_testz_si256(bad, bad);
#endif
    for (; j < count; j++) {
        keys[j] = key += gaps[j] + 1;
        wrapped |= key <= gaps[j];
    }
    *last = key;
    return wrapped;
}

static int GW_AT(gw_partitioned_unpack)(const uint8_t *stream, int64_t nbytes, int64_t parts, int64_t n, uint64_t dim, int l, int f,
                                        const uint8_t *width, uint32_t *out)
{
    uint32_t gaps[GW_PARTITIONED_CHUNK + GW_PARTITIONED_LONGEST + 32], last = 0;
    gw_view view;
    int64_t end = 8 * nbytes, at = parts * (l + f), done = 0, held = 0;
    gw_view_open(&view, stream, nbytes);
    for (int64_t q = 0, bit = 0; q < parts; q++, bit += l + f) {
        uint32_t descriptor = gw_load32(gw_view_at(&view, bit >> 3)) >> (bit & 7);
        int count = (int)(descriptor & ((1u << l) - 1)) + 1, b = width[descriptor >> l & ((1u << f) - 1)];
        if (b > 32) return GW_KEYS_FLAG;
        if (count > n - done - held || (int64_t)count * b > end - at) return GW_KEYS_LENGTH;
        GW_AT(gw_read_gaps)(&view, at, count, (unsigned)b, gaps + held);
        at += (int64_t)count * b;
        held += count;
        if (held >= GW_PARTITIONED_CHUNK || q == parts - 1) {
            if (GW_AT(gw_partitioned_sum)(gaps, held, &last, done == 0, out + done)) return GW_KEYS_ORDER;
            done += held;
            held = 0;
        }
    }
    if (done != n || end - at >= 8) return GW_KEYS_LENGTH;
    if (at < end && *gw_view_at(&view, at >> 3) >> (at & 7)) return GW_KEYS_PADDING;
    return last < dim ? GW_KEYS_OK : GW_KEYS_ORDER;
}
#undef MIN
#undef MAX
