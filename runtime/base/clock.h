// Clocks that only go forward.

#ifndef LM_BASE_CLOCK_H
#define LM_BASE_CLOCK_H

#include <stdint.h>

// Nanoseconds since some fixed moment of this boot.
uint64_t lm_clock_ns(void);

// Nanoseconds of CPU that the calling thread, or all of this process, has used so far.
uint64_t lm_clock_thread_cpu_ns(void);
uint64_t lm_clock_process_cpu_ns(void);

#endif
