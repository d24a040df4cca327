// Where files belong: one function per kind of place (XDG base directories).

#ifndef LM_BASE_PLACE_H
#define LM_BASE_PLACE_H

#include "base/error.h"

#include <stddef.h>

// The folder for caches, made if absent: $XDG_CACHE_HOME/lemnos or $HOME/.cache/lemnos. Fails where
// neither variable is an absolute path or the folder cannot be made; the caller then goes without.
bool lm_place_cache(char *path, size_t size, lm_error *err);

// The same for what is worth keeping between runs but not worth a backup, such as the history of a
// chat: $XDG_STATE_HOME/lemnos or $HOME/.local/state/lemnos.
bool lm_place_state(char *path, size_t size, lm_error *err);

// The user's file `name` in the folder for settings, which is not made and need not be there:
// $XDG_CONFIG_HOME/lemnos or $HOME/.config/lemnos. False where neither variable is an absolute path
// or the result does not fit.
bool lm_place_settings(const char *name, char *path, size_t size);

// The file `name` that ships with Lemnos: in $LEMNOS_ASSETS, else in assets/ beside the running
// program, else in ../share/lemnos from there, else in the assets of the build tree. Fails with
// LM_BAD_FILE listing where it looked.
bool lm_place_asset(const char *name, char *path, size_t size, lm_error *err);

#endif
