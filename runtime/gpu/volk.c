// The one place where the meta-loader's code is compiled.

#ifdef __GNUC__
#pragma GCC diagnostic ignored "-Wpedantic"
#pragma GCC diagnostic ignored "-Wconversion"
#endif

#define VOLK_IMPLEMENTATION
#include <volk.h>
