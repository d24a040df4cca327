// Whether a shared library can be loaded, without loading it here.

#ifndef LM_BASE_LIBRARY_H
#define LM_BASE_LIBRARY_H

#include <stdbool.h>
#include <stddef.h>

// Loads `name`, as dlopen() takes it, in a child process, because a broken driver can crash or hang
// whoever loads it. False with the reason in why[size]: what the dynamic linker says, or how the
// child ended. Blocks for 20 seconds at most.
bool lm_library_try(const char *name, char *why, size_t size);

#endif
