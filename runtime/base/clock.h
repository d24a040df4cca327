// A clock that only goes forward.

#ifndef LM_BASE_CLOCK_H
#define LM_BASE_CLOCK_H

#include <stdint.h>

// Nanoseconds since some fixed moment of this boot.
uint64_t lm_clock_ns(void);

#endif
