#include "gen/objects.h"

bool lm_session_save(lm_session *session, const char *path, lm_text note, lm_error *err)
{
    (void)session, (void)note;
    return lm_fail(err, LM_UNSUPPORTED, "%s: sessions cannot be saved yet", path);
}

bool lm_session_load(lm_session *session, const char *path, char **note, size_t *note_bytes,
                     lm_error *err)
{
    (void)session, (void)note, (void)note_bytes;
    return lm_fail(err, LM_UNSUPPORTED, "%s: sessions cannot be loaded yet", path);
}

bool lm_session_file_read_note(const char *path, lm_session_file_info *info, char **note,
                               size_t *note_bytes, lm_error *err)
{
    (void)info, (void)note, (void)note_bytes;
    return lm_fail(err, LM_UNSUPPORTED, "%s: sessions cannot be loaded yet", path);
}
