/* What a key decoder found wrong with a payload. */
#ifndef GW_KEYS_ERROR_H
#define GW_KEYS_ERROR_H

enum gw_keys_error {
    GW_KEYS_OK,
    GW_KEYS_LENGTH,  /* the flags ask for more or fewer bytes than there are */
    GW_KEYS_PADDING, /* an unused bit is set */
    GW_KEYS_FLAG,    /* a flag that the format does not use */
    GW_KEYS_ORDER,   /* keys that do not increase strictly, or not below dim */
};
#endif
