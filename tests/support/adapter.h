// A device that is not there, for tests of what is decided about one.

#ifndef LM_TESTS_SUPPORT_ADAPTER_H
#define LM_TESTS_SUPPORT_ADAPTER_H

#include "gpu/adapter.h"

// An Intel GPU under Mesa 25.1.3 that offers everything.
lm_adapter test_adapter(void);

#endif
