/* The loops of byteflag.h, for one level. */
#include "byteflag_encode_kernels.h"
#include "byteflag_decode_kernels.h"
