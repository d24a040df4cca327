// A library that ends whoever loads it, for tests/unit/diagnosis.c.

#include <stdlib.h>

static void __attribute__((constructor)) crash(void)
{
    abort();
}
