/* The loops of extent.h, for one level. */
/* GW_EXTENT_LANES running extremes, so that no step waits for the one before it. */
static uint32_t GW_AT(gw_peak)(const float *values, int64_t n)
{
    int32_t peaks[GW_EXTENT_LANES] = {0}, peak = 0;
    int64_t i = 0;
    for (; i + GW_EXTENT_LANES <= n; i += GW_EXTENT_LANES)
        for (int j = 0; j < GW_EXTENT_LANES; j++) {
            int32_t bits = gw_magnitude_bits(values + i + j);
            peaks[j] = bits > peaks[j] ? bits : peaks[j];
        }
    for (; i < n; i++) {
        int32_t bits = gw_magnitude_bits(values + i);
        peak = bits > peak ? bits : peak;
    }
    for (int j = 0; j < GW_EXTENT_LANES; j++) peak = peaks[j] > peak ? peaks[j] : peak;
    return (uint32_t)peak;
}

static int GW_AT(gw_range)(const float *values, int64_t n, float *low, float *high)
{
    int32_t lows[GW_EXTENT_LANES], highs[GW_EXTENT_LANES], start = n ? gw_ordered_bits(values) : 0, least = start, most = start;
    int64_t i = 0;
    for (int j = 0; j < GW_EXTENT_LANES; j++) lows[j] = highs[j] = start;
    for (; i + GW_EXTENT_LANES <= n; i += GW_EXTENT_LANES)
        for (int j = 0; j < GW_EXTENT_LANES; j++) {
            int32_t key = gw_ordered_bits(values + i + j);
            lows[j] = key < lows[j] ? key : lows[j];
            highs[j] = key > highs[j] ? key : highs[j];
        }
    for (; i < n; i++) {
        int32_t key = gw_ordered_bits(values + i);
        least = key < least ? key : least;
        most = key > most ? key : most;
    }
    for (int j = 0; j < GW_EXTENT_LANES; j++) {
        least = lows[j] < least ? lows[j] : least;
        most = highs[j] > most ? highs[j] : most;
    }
    int refused = most >= 0x7F800000 || least <= gw_ordered((int32_t)0xFF800000u);
    least = gw_ordered(least);
    most = gw_ordered(most);
    memcpy(low, &least, 4);
    memcpy(high, &most, 4);
    *low += 0.0f;       /* -0 to +0 */
    *high += 0.0f;
    return refused;
}

static int64_t GW_AT(gw_count_from)(const float *values, int64_t n, uint32_t bits)
{
    int64_t count = 0;
    for (int64_t i = 0; i < n;) {
        int64_t stop = n - i < 1 << 20 ? n : i + (1 << 20);
        int32_t part = 0;
        for (; i < stop; i++) part += gw_magnitude_bits(values + i) >= (int32_t)bits;
        count += part;
    }
    return count;
}

static int GW_AT(gw_copy_finite)(const float *values, int64_t n, float *out)
{
    uint32_t nonfinite = 0;
    for (int64_t i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, values + i, 4);
        memcpy(out + i, &bits, 4);
        nonfinite |= (bits & 0x7FFFFFFFu) + 0x00800000u;
    }
    return nonfinite >> 31;
}

static void GW_AT(gw_mask_from)(const float *values, int64_t n, uint32_t bits, uint8_t *mask)
{
    for (int64_t i = 0; i < n; i++) mask[i] = gw_magnitude_bits(values + i) >= (int32_t)bits;
}
