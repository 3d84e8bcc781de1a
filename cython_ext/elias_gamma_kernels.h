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

static void GW_AT(gw_gamma_encode)(const uint16_t *codes, int64_t n, int64_t sum, uint8_t *out)
{
    GW_AT(gw_bits) unary = {0, out, 0}, rest = {0, out + (n + sum + 7) / 8, 0};
    int64_t i = 0;
    for (; i + 3 <= n; i += 3) {
        uint32_t a = GW_AT(gw_log2)(codes[i] + 1u), b = a + 1 + GW_AT(gw_log2)(codes[i + 1] + 1u), c = b + 1 + GW_AT(gw_log2)(codes[i + 2] + 1u);
        GW_AT(gw_put_bits)(&unary, (uint64_t)1 << a | (uint64_t)1 << b | (uint64_t)1 << c, c + 1);
    }
    for (; i < n; i++) {
        uint32_t a = GW_AT(gw_log2)(codes[i] + 1u);
        GW_AT(gw_put_bits)(&unary, (uint64_t)1 << a, a + 1);
    }
    for (i = 0; i + 3 <= n; i += 3) {           /* after the unary stream, whose last 8 bytes may have reached in here */
        uint32_t a = codes[i] + 1u, b = codes[i + 1] + 1u, c = codes[i + 2] + 1u;
        uint32_t la = GW_AT(gw_log2)(a), lb = GW_AT(gw_log2)(b), lc = GW_AT(gw_log2)(c);
        uint64_t bits = (uint64_t)(a ^ 1u << la) | (uint64_t)(b ^ 1u << lb) << la | (uint64_t)(c ^ 1u << lc) << (la + lb);
        GW_AT(gw_put_bits)(&rest, bits, la + lb + lc);
    }
    for (; i < n; i++) {
        uint32_t m = codes[i] + 1u, l = GW_AT(gw_log2)(m);
        GW_AT(gw_put_bits)(&rest, m ^ 1u << l, l);
    }
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
    uint32_t largest = 0, longest = 0;
    if (gw_gamma_nbytes(n, sum) != nbytes) return -1;
    if ((unary & 7 && in[unary >> 3] >> (unary & 7)) || (sum & 7 && in[nbytes - 1] >> (sum & 7))) return -1;
    for (int64_t at = 0, next = 0; i < n; at += 8) {        /* next: where the zeros of the next code begin */
        for (uint64_t word = gw_word_at(in, start, at); word && i < n; word &= word - 1) {
            int64_t one = 8 * at + __builtin_ctzll(word);
            uint32_t length = (uint32_t)(one - next), m;
            longest = length > longest ? length : longest;
            length &= 31;
            m = (uint32_t)(gw_word_at(in, nbytes, bit >> 3) >> (bit & 7)) & ((1u << length) - 1);
            m |= 1u << length;
            largest = m > largest ? m : largest;
            out[i++] = (uint16_t)(m - 1);
            bit += length;
            next = one + 1;
        }
    }
    return longest > 15 ? -1 : (int64_t)largest - 1;
}
