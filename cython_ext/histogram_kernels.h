/* The loops of histogram.h, for one level. */

/* Integers (order.h) of one block of values; extends *min and *max by them. */
GW_INLINE void GW_AT(gw_hist_view)(const float *v, int64_t n, uint32_t *restrict view, uint32_t *min, uint32_t *max)
{
    uint32_t least = *min, most = *max;
    for (int64_t i = 0; i < n; i++) {
        uint32_t u = gw_order(v[i]);
        least = u < least ? u : least;
        most = u > most ? u : most;
        view[i] = u;
    }
    *min = least;
    *max = most;
}

static void GW_AT(gw_hist_count)(const float *v, int64_t n, uint32_t *restrict counts, uint32_t *min, uint32_t *max)
{
    uint32_t *restrict even = counts, *restrict odd = counts + GW_HIST_BINS, view[GW_HIST_BLOCK];
    for (int64_t at = 0; at < n; at += GW_HIST_BLOCK) {
        int64_t m = n - at < GW_HIST_BLOCK ? n - at : GW_HIST_BLOCK, j = 0;
        GW_AT(gw_hist_view)(v + at, m, view, min, max);
        for (; j + 4 <= m; j += 4) {
            even[view[j] >> 16]++;
            odd[view[j + 1] >> 16]++;
            even[view[j + 2] >> 16]++;
            odd[view[j + 3] >> 16]++;
        }
        for (; j < m; j++) even[view[j] >> 16]++;
    }
}

/* The integers of a block become places below open bins, of depth 1 (cells), 2 (cells of cells) or 3 (leaves). Apart from the loop that
 * counts: a count's address must be early known, or each waits for the one before it when items are alike. */
GW_INLINE void GW_AT(gw_hist_places)(uint32_t *view, int64_t n, const uint16_t *open, const uint16_t *child, int depth)
{
    for (int64_t i = 0; i < n; i++) {
        GW_ONE_BY_ONE;
        uint32_t u = view[i], place = (uint32_t)open[u >> 16] << 4 | (u >> 12 & 15);
        if (depth > 1) place = (uint32_t)child[place] << 4 | (u >> 8 & 15);
        if (depth > 2) place = (uint32_t)child[place] << 8 | (u & 255);
        view[i] = place;
    }
}

GW_INLINE void GW_AT(gw_hist_count_below)(const float *v, int64_t n, const uint16_t *open, const uint16_t *child, uint32_t *counts,
                                          int64_t *leaf, int depth)
{
    uint32_t view[GW_HIST_BLOCK], min = 0, max = 0;
    for (int64_t at = 0; at < n; at += GW_HIST_BLOCK) {
        int64_t m = n - at < GW_HIST_BLOCK ? n - at : GW_HIST_BLOCK;
        GW_AT(gw_hist_view)(v + at, m, view, &min, &max);
        GW_AT(gw_hist_places)(view, m, open, child, depth);
        if (depth < 3)
            for (int64_t j = 0; j < m; j++) counts[view[j]]++;
        else
            for (int64_t j = 0; j < m; j++) leaf[view[j]]++;
    }
}

static void GW_AT(gw_hist_count_cells)(const float *v, int64_t n, const uint16_t *open, const uint16_t *child, uint32_t *counts)
{
    if (child) GW_AT(gw_hist_count_below)(v, n, open, child, counts, NULL, 2);
    else GW_AT(gw_hist_count_below)(v, n, open, child, counts, NULL, 1);
}

static void GW_AT(gw_hist_count_leaves)(const float *v, int64_t n, const uint16_t *open, const uint16_t *child, int64_t *leaf)
{
    GW_AT(gw_hist_count_below)(v, n, open, child, NULL, leaf, 3);
}
