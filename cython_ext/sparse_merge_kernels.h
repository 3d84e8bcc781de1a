/* The loops of sparse_merge.h, for one level. */
#if GW_LEVEL == GW_AVX512
/* Ascending words from bitonic ones. */
GW_INLINE __m512i GW_AT(gw_merge_sort8)(__m512i x)
{
    __m512i y = _mm512_shuffle_i64x2(x, x, 0x4E);
    x = _mm512_mask_max_epu64(_mm512_min_epu64(x, y), 0xF0, x, y);
    y = _mm512_permutex_epi64(x, 0x4E);
    x = _mm512_mask_max_epu64(_mm512_min_epu64(x, y), 0xCC, x, y);
    y = _mm512_shuffle_epi32(x, (_MM_PERM_ENUM)0x4E);
    return _mm512_mask_max_epu64(_mm512_min_epu64(x, y), 0xAA, x, y);
}

/* The first `length` words, a multiple of 8, of each piece: of the larger eight so far and the next eight, the smaller eight go out. */
GW_INLINE void GW_AT(gw_merge_pieces)(const uint64_t **a, const uint64_t **b, int64_t length, uint64_t *out)
{
    const __m512i reverse = _mm512_set_epi64(0, 1, 2, 3, 4, 5, 6, 7);
    __m512i larger[GW_MERGE_PIECES];
    for (int c = 0; c < GW_MERGE_PIECES; c++) {
        int from_a = *a[c] <= *b[c];
        const uint64_t *next = from_a ? a[c] : b[c];
        larger[c] = _mm512_loadu_si512(next);
        a[c] += from_a * 8;
        b[c] += 8 - from_a * 8;
    }
    for (int64_t k = 0; k < length; k += 8)
        for (int c = 0; c < GW_MERGE_PIECES; c++) {
            int64_t from_a = *a[c] <= *b[c];
            const uint64_t *next = from_a ? a[c] : b[c];
            __m512i words = _mm512_permutexvar_epi64(reverse, _mm512_loadu_si512(next));
            a[c] += from_a * 8;
            b[c] += 8 - from_a * 8;
            _mm512_storeu_si512(out + c * length + k, GW_AT(gw_merge_sort8)(_mm512_min_epu64(larger[c], words)));
            larger[c] = GW_AT(gw_merge_sort8)(_mm512_max_epu64(larger[c], words));
        }
}
#else
/* The first `length` words of each piece. */
GW_INLINE void GW_AT(gw_merge_pieces)(const uint64_t **a, const uint64_t **b, int64_t length, uint64_t *out)
{
    int64_t i[GW_MERGE_PIECES] = {0};
    for (int64_t k = 0; k < length; k++)
        for (int c = 0; c < GW_MERGE_PIECES; c++) {
            uint64_t x = a[c][i[c]], y = b[c][k - i[c]];
            out[c * length + k] = x < y ? x : y;
            i[c] += x < y;
        }
}
#endif

static void GW_AT(gw_merge_two)(const uint64_t *a, int64_t na, const uint64_t *b, int64_t nb, uint64_t *out)
{
    const uint64_t *from_a[GW_MERGE_PIECES], *from_b[GW_MERGE_PIECES];
    int64_t n = na + nb, length = n / GW_MERGE_PIECES & ~(int64_t)7, done = GW_MERGE_PIECES * length, i, j;
    if (length) {
        for (int c = 0; c < GW_MERGE_PIECES; c++) {
            i = gw_merge_path(a, na, b, nb, c * length);
            from_a[c] = a + i;
            from_b[c] = b + (c * length - i);
        }
        GW_AT(gw_merge_pieces)(from_a, from_b, length, out);
    }
    i = gw_merge_path(a, na, b, nb, done);
    for (j = done - i; done < n; done++) {
        uint64_t x = a[i], y = b[j];
        int less = x < y;
        out[done] = less ? x : y;
        i += less;
        j += 1 - less;
    }
}

/* Merges `count` runs of length[r] words at start[r] of either buffer; returns the buffer that holds the result, at start[0]. */
static uint64_t *GW_AT(gw_merge_window)(uint64_t *from, uint64_t *to, int64_t *start, int64_t *length, int count)
{
    while (count > 1) {
        int merged = 0;
        uint64_t *swap = from;
        for (int r = 0; r < count; r += 2, merged++) {
            int64_t at = start[r], n = length[r];
            if (r + 1 == count) memcpy(to + at, from + at, (size_t)n * 8);
            else {
                GW_AT(gw_merge_two)(from + at, n, from + start[r + 1], length[r + 1], to + at);
                n += length[r + 1];
            }
            memset(to + at + n, 0xFF, GW_MERGE_PAD * 8);
            start[merged] = at;
            length[merged] = n;
        }
        count = merged;
        from = to;
        to = swap;
    }
    return from;
}

static int GW_AT(gw_merge_runs)(const uint32_t *keys, const uint32_t *payload, const int64_t *sizes, int runs, uint64_t *scratch,
                                uint32_t *out_keys, uint32_t *out_payload)
{
    uint64_t *buffer = scratch, *other = scratch + gw_merge_buffer(runs), *merged;
    int64_t next[GW_MERGE_MOST], end[GW_MERGE_MOST], start[GW_MERGE_MOST], length[GW_MERGE_MOST], share = gw_merge_share(runs), n = 0;
    uint32_t bad = 0;
    for (int r = 0; r < runs; r++) {
        next[r] = n;
        n += sizes[r];
        end[r] = n;
    }
    for (int64_t done = 0, m; done < n; done += m) {
        uint32_t pivot = 0xFFFFFFFFu;
        int count = 0;
        for (int r = 0; r < runs; r++)
            if (end[r] - next[r] > share && keys[next[r] + share - 1] < pivot) pivot = keys[next[r] + share - 1];
        m = 0;
        for (int r = 0; r < runs; r++) {
            int64_t left = end[r] - next[r], taken = gw_merge_upto(keys + next[r], left < share ? left : share, pivot);
            uint64_t *words = buffer + m + count * GW_MERGE_PAD;
            if (!taken) continue;
            for (int64_t i = 0; i < taken; i++) words[i] = (uint64_t)keys[next[r] + i] << 32 | payload[next[r] + i];
            memset(words + taken, 0xFF, GW_MERGE_PAD * 8);
            start[count] = words - buffer;
            length[count++] = taken;
            next[r] += taken;
            m += taken;
        }
        if (!m) return -1;      /* runs that are not sorted */
        merged = GW_AT(gw_merge_window)(buffer, other, start, length, count);
        bad |= done && merged[0] >> 32 <= out_keys[done - 1];
        for (int64_t i = 0; i < m; i++) {
            out_keys[done + i] = (uint32_t)(merged[i] >> 32);
            out_payload[done + i] = (uint32_t)merged[i];
        }
        for (int64_t i = 1; i < m; i++) bad |= out_keys[done + i] <= out_keys[done + i - 1];
    }
    return bad ? -1 : 0;
}
