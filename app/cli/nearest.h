// "Did you mean ...?"

#ifndef CLI_NEAREST_H
#define CLI_NEAREST_H

#include <stddef.h>

// The name that takes the fewest single-letter edits from `word`, or NULL where none is near enough
// to be a slip.
const char *cli_nearest(const char *word, const char *const *names, size_t n_names);

#endif
