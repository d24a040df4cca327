// Checked sessions: the model's file is opened again, and the steps take a checker.

#include "gen/objects.h"

#include "model/fingerprint.h"

#include <stdlib.h>

void lm_session_end_check(lm_session *it)
{
    if (it->steps)
        lm_steps_set_checker(it->steps, NULL);
    lm_checker_destroy(&it->checker);
    if (it->checked)
        lm_opened_finish(it->checked);
    free(it->checked);
    it->checked = NULL;
}

static bool open_source(lm_session *it, const lm_model_params *params, lm_error *err)
{
    uint64_t fingerprint = 0;
    it->checked = calloc(1, sizeof *it->checked);
    if (!it->checked)
        return lm_fail(err, LM_NO_MEMORY, "out of memory for checking");
    if (!lm_opened_init(it->checked, params, err) ||
        !lm_fingerprint(&it->checked->config, it->checked->source, &fingerprint, err))
        return false;
    return fingerprint == it->model->fingerprint ||
           lm_fail(err, LM_BAD_FILE,
                   "%s has other weights now than when it was loaded: nothing to check against",
                   params->path ? params->path : params->synthetic);
}

bool lm_session_check(lm_session *it, const lm_check_params *params, lm_error *err)
{
    if (it->generation)
        return lm_fail(err, LM_BAD_ARGUMENT, "a generation is under way on this session");
    lm_session_end_check(it);
    if (open_source(it, params->model, err)) {
        it->checker = lm_checker_create(
            &(lm_checker_params){
                .gpu = it->model->device->gpu,
                .config = &it->model->config,
                .weights = it->model->weights,
                .source = it->checked->source,
                .cos_sin = it->timeline.cos_sin,
                .n_ctx = it->memory.n_ctx,
                .n_steps = params->n_steps ? params->n_steps : LM_CHECK_STEPS,
                .progress = params->progress,
                .progress_user = params->progress_user,
            },
            err);
    }
    if (!it->checker) {
        lm_session_end_check(it);
        return lm_fail_while(err, "preparing to check");
    }
    lm_steps_set_checker(it->steps, it->checker);
    return true;
}

lm_check_report lm_session_check_report(const lm_session *it)
{
    return it->checker ? lm_checker_report(it->checker) : (lm_check_report){.n_steps = 0};
}
