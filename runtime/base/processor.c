#include "base/processor.h"

bool lm_processor_has_many_registers(void)
{
#if defined(__aarch64__)
    return true;
#elif defined(__x86_64__)
    return __builtin_cpu_supports("avx512vl") != 0;
#else
    return false;
#endif
}
