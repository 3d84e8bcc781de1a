/* The loops of bitflag.h, for one level. */
#include "bitflag_histogram_kernels.h"
#include "bitflag_encode_kernels.h"
#include "bitflag_decode_kernels.h"
