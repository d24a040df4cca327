// Splits a GGUF file into parts as llama.cpp's gguf-split does.

#ifndef LM_TESTS_SUPPORT_SPLIT_FILE_H
#define LM_TESTS_SUPPORT_SPLIT_FILE_H

#include "support/scratch.h"

#include <stdint.h>

// The path of part `part`, from 0, of `n_parts` in `where`: "FOLDER/NAME-00001-of-00003.gguf".
const char *split_path(const scratch *where, const char *name, uint32_t part, uint32_t n_parts,
                       char path[256]);

// Writes all parts of the file at `from`, each with as many tensors as any other, or one less.
void split_file(const char *from, const scratch *where, const char *name, uint32_t n_parts);

#endif
