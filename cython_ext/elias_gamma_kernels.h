/* The loops of elias_gamma.h, for one level. */
GW_INLINE uint32_t GW_AT(gw_log2)(uint32_t m)
{
    return 31 - (uint32_t)__builtin_clz(m);
}

static int64_t GW_AT(gw_gamma_bits)(const uint16_t *codes, int64_t n)
{
    int64_t sum = 0;
    for (int64_t i = 0; i < n; i++) {
        float m = (float)(codes[i] + 1);        /* exact: the exponent is the logarithm, and this vectorises everywhere */
        uint32_t bits;
        memcpy(&bits, &m, 4);
        sum += (int64_t)(bits >> 23) - 127;
    }
    return sum;
}

/* Bits below `fill` of `word` wait for the bytes at `out`. */
typedef struct { uint64_t word; uint8_t *out; uint32_t fill; } GW_AT(gw_bits);

/* `length` <= 56 bits; writes 8 bytes. */
GW_INLINE void GW_AT(gw_put_bits)(GW_AT(gw_bits) *to, uint64_t bits, uint32_t length)
{
    to->word |= bits << to->fill;
    to->fill += length;
    memcpy(to->out, &to->word, 8);
    to->out += to->fill >> 3;
    to->word >>= to->fill & 56;
    to->fill &= 7;
}

/* `count` <= 3 codes: the unary stream's bits, or the rest's. */
GW_INLINE void GW_AT(gw_put_unary)(GW_AT(gw_bits) *to, const uint16_t *codes, int count)
{
    uint64_t bits = 0;
    uint32_t length = 0;
    for (int j = 0; j < count; j++) {
        length += GW_AT(gw_log2)(codes[j] + 1u) + 1;
        bits |= (uint64_t)1 << (length - 1);
    }
    GW_AT(gw_put_bits)(to, bits, length);
}

GW_INLINE void GW_AT(gw_put_rest)(GW_AT(gw_bits) *to, const uint16_t *codes, int count)
{
    uint64_t bits = 0;
    uint32_t length = 0;
    for (int j = 0; j < count; j++) {
        uint32_t m = codes[j] + 1u, log = GW_AT(gw_log2)(m);
        bits |= (uint64_t)(m ^ 1u << log) << length;
        length += log;
    }
    GW_AT(gw_put_bits)(to, bits, length);
}

GW_INLINE int GW_AT(gw_eight_zeros)(const uint16_t *codes)
{
    uint64_t low, high;
    memcpy(&low, codes, 8);
    memcpy(&high, codes + 4, 8);
    return (low | high) == 0;
}

static void GW_AT(gw_gamma_encode)(const uint16_t *codes, int64_t n, int64_t sum, uint8_t *out)
{
    GW_AT(gw_bits) unary = {0, out, 0}, rest = {0, out + (n + sum + 7) / 8, 0};
    int64_t i = 0;
    for (; i + 8 <= n; i += 8) {
        if (GW_AT(gw_eight_zeros)(codes + i)) {
            GW_AT(gw_put_bits)(&unary, 255, 8);
            continue;
        }
        GW_AT(gw_put_unary)(&unary, codes + i, 3);
        GW_AT(gw_put_unary)(&unary, codes + i + 3, 3);
        GW_AT(gw_put_unary)(&unary, codes + i + 6, 2);
    }
    for (; i < n; i++) GW_AT(gw_put_unary)(&unary, codes + i, 1);
    for (i = 0; i + 8 <= n; i += 8) {           /* after the unary stream, whose last 8 bytes may have reached in here */
        if (GW_AT(gw_eight_zeros)(codes + i)) continue;
        GW_AT(gw_put_rest)(&rest, codes + i, 3);
        GW_AT(gw_put_rest)(&rest, codes + i + 3, 3);
        GW_AT(gw_put_rest)(&rest, codes + i + 6, 2);
    }
    for (; i < n; i++) GW_AT(gw_put_rest)(&rest, codes + i, 1);
    memcpy(rest.out, &rest.word, 8);
}

static int64_t GW_AT(gw_gamma_end)(const uint8_t *in, int64_t nbytes, int64_t n)
{
    for (int64_t at = 0; at < nbytes; at += 8) {
        uint64_t word = gw_word_at(in, nbytes, at);
        int64_t ones = __builtin_popcountll(word);
        if (ones < n) {
            n -= ones;
            continue;
        }
        for (; n > 1; n--) word &= word - 1;
        return 8 * at + __builtin_ctzll(word) + 1;
    }
    return -1;
}

static int64_t GW_AT(gw_gamma_decode)(const uint8_t *in, int64_t nbytes, int64_t unary, int64_t n, uint16_t *out)
{
    int64_t start = (unary + 7) / 8, sum = unary - n, bit = 8 * start, i = 0;
    uint32_t largest = 1, longest = 0;
    if (gw_gamma_nbytes(n, sum) != nbytes) return -1;
    if ((unary & 7 && in[unary >> 3] >> (unary & 7)) || (sum & 7 && in[nbytes - 1] >> (sum & 7))) return -1;
    uint8_t last[16] = {0};                                 /* the last 8 bytes and zeros: words that begin in there are read from here */
    int64_t inside = nbytes > 8 ? nbytes - 8 : 0;
    memcpy(last, in + inside, (size_t)(nbytes - inside));
    for (int64_t at = 0, next = 0; i < n; at += 8) {        /* next: where the zeros of the next code begin */
        uint64_t word = gw_word_at(in, start, at);
        if (word == UINT64_MAX && next == 8 * at && n - i >= 64) {
            memset(out + i, 0, 128);
            i += 64;
            next += 64;
            continue;
        }
        for (; word && i < n; word &= word - 1) {
            int64_t one = 8 * at + __builtin_ctzll(word), byte = bit >> 3;
            uint32_t length = (uint32_t)(one - next), m;
            uint64_t rest;
            longest = length > longest ? length : longest;
            length &= 31;
            memcpy(&rest, byte < inside ? in + byte : last + (byte - inside), 8);
            m = ((uint32_t)(rest >> (bit & 7)) & ((1u << length) - 1)) | 1u << length;
            largest = m > largest ? m : largest;
            out[i++] = (uint16_t)(m - 1);
            bit += length;
            next = one + 1;
        }
    }
    return longest > 15 ? -1 : (int64_t)largest - 1;
}
