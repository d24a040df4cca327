#include "lm_quantize.h"

#include "gen/objects.h"
#include "model/requantize.h"

#include <stdio.h>

const char *lm_quantize_type(size_t index)
{
    size_t n;
    const lm_mixture *all = lm_mixtures(&n);
    return index < n ? all[index].name : NULL;
}

bool lm_quantize_check_type(const char *type, lm_error *err)
{
    return lm_mixture_find(type, err) != NULL;
}

bool lm_model_quantize(const lm_quantize_params *params, lm_quantized *done, lm_error *err)
{
    lm_opened opened;
    lm_requantized written;
    *done = (lm_quantized){0};
    const lm_mixture *mixture = lm_mixture_find(params->type, err);
    if (!mixture || !lm_opened_init(&opened, &(lm_model_params){.path = params->path}, err))
        return false;
    const bool ok =
        lm_requantize(&(lm_requantize_params){.from = opened.gguf,
                                              .config = &opened.config,
                                              .mixture = mixture,
                                              .path = params->output,
                                              .allow_requantize = params->allow_requantize,
                                              .progress = params->progress,
                                              .progress_user = params->progress_user},
                      &written, err);
    snprintf(done->type, sizeof done->type, "%s", mixture->name);
    done->bytes_before = lm_gguf_file_bytes(opened.gguf);
    done->bytes_after = written.file_bytes;
    done->n_tensors = written.n_tensors;
    done->n_requantized = written.n_requantized;
    done->n_fitted = written.n_fitted;
    lm_opened_finish(&opened);
    return ok;
}
