#include "selftest/runner.h"

#include "base/clock.h"
#include "base/hash.h"

#include <stdio.h>
#include <string.h>

// Raised when cases judge otherwise: what was passed before is then tried again.
#define SUITE 2

#define SEED 0x1eaf5eedu // the same numbers each time, so that a report can be compared

// The paths that may be switched on an open device.
static const lm_feature SUSPECTS[] = {LM_FEATURE_HALF_UNPACK, LM_FEATURE_FEW_BARRIERS,
                                      LM_FEATURE_LAST_GROUP,  LM_FEATURE_FUSED,
                                      LM_FEATURE_MATRIX,      LM_FEATURE_UNIFORM_LOADS};
#define N_SUSPECTS (sizeof SUSPECTS / sizeof *SUSPECTS)

// Of everything that the outcome depends on, but for what the record itself stands for.
static uint64_t key_of(const lm_runner *it, const lm_case *c)
{
    const lm_features *features = lm_gpu_features(it->gpu);
    uint32_t on = 0;
    for (size_t i = 0; i < N_SUSPECTS; i++)
        on |= (uint32_t)lm_features_on(features, SUSPECTS[i]) << i;
    const uint32_t suite[2] = {SUITE, on};
    uint64_t hash = lm_hash(LM_HASH_START, suite, sizeof suite);
    hash = lm_hash(hash, c->op, strlen(c->op));
    hash = lm_hash(hash, &c->numbers, sizeof c->numbers);
    hash = lm_hash(hash, &c->rope_base, sizeof c->rope_base);
    return lm_hash(hash, &c->rope_factor, sizeof c->rope_factor);
}

void lm_runner_apply(const lm_runner *it)
{
    for (size_t i = 0; lm_record_at(it->record, i); i++) {
        const lm_record_entry *entry = lm_record_at(it->record, i);
        for (size_t s = 0; s < N_SUSPECTS && entry->kind == LM_RECORD_OFF; s++)
            if (entry->key == SUSPECTS[s])
                lm_features_turn_off(lm_gpu_features(it->gpu), SUSPECTS[s], LM_OFF_SELF_TEST, "%s",
                                     entry->text);
    }
}

bool lm_runner_has_work(const lm_runner *it, const lm_case *cases, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const uint64_t key = key_of(it, &cases[i]);
        if (!lm_record_find(it->record, LM_RECORD_PASSED, key) &&
            !lm_record_find(it->record, LM_RECORD_FAILED, key))
            return true;
    }
    return false;
}

// False where it could not be carried out.
static bool try_case(const lm_runner *it, const lm_case *c, lm_finding *finding, lm_error *err)
{
    const uint64_t start_ns = lm_clock_ns();
    const char *culprit = c->op;
    lm_trial trial;
    lm_trial_begin(&trial, it->gpu, SEED);
    if (lm_trial_goes_on(&trial))
        c->run(c, &trial, &culprit);
    finding->op = culprit;
    finding->what = c->what;
    finding->outcome = trial.failed ? LM_OUTCOME_FAILED : LM_OUTCOME_PASSED;
    snprintf(finding->why, sizeof finding->why, "%s", trial.why);
    if (trial.stopped && err)
        *err = trial.trouble;
    lm_trial_finish(&trial);
    finding->ns = lm_clock_ns() - start_ns;
    return !trial.stopped || lm_fail_while(err, "trying %s, %s", c->op, c->what);
}

// Tries a failing case without each of the optional paths. *found: it passes without one, which is
// off now and on the record.
static bool find_suspect(const lm_runner *it, const lm_case *c, const lm_finding *finding,
                         bool *found, lm_error *err)
{
    lm_features *features = lm_gpu_features(it->gpu);
    for (size_t i = 0; i < N_SUSPECTS && !*found; i++) {
        if (!lm_features_on(features, SUSPECTS[i]) || !(c->paths & 1u << SUSPECTS[i]))
            continue;
        const lm_features before = *features;
        lm_record_entry entry = {.key = SUSPECTS[i], .kind = LM_RECORD_OFF};
        const int n =
            snprintf(entry.text, sizeof entry.text, "%.20s gives wrong results with it: %.160s",
                     finding->op, finding->why);
        lm_features_turn_off(features, SUSPECTS[i], LM_OFF_SELF_TEST, "%s",
                             n > 0 ? entry.text : "");
        lm_finding without;
        if (!try_case(it, c, &without, err))
            return false;
        *found = without.outcome == LM_OUTCOME_PASSED;
        if (*found)
            lm_record_put(it->record, &entry);
        else
            *features = before;
    }
    return true;
}

static bool has_failed(const lm_finding *findings, size_t n, const char *op)
{
    for (size_t i = 0; i < n; i++)
        if (findings[i].outcome == LM_OUTCOME_FAILED && strcmp(findings[i].op, op) == 0)
            return true;
    return false;
}

// From the record, where that is wished and it is there.
static bool is_known(const lm_runner *it, const lm_case *c, lm_finding *finding)
{
    if (!it->only_new)
        return false;
    const uint64_t key = key_of(it, c);
    const lm_record_entry *failed = lm_record_find(it->record, LM_RECORD_FAILED, key);
    if (!failed && !lm_record_find(it->record, LM_RECORD_PASSED, key))
        return false;
    *finding = (lm_finding){.op = failed && failed->op[0] ? failed->op : c->op,
                            .what = c->what,
                            .outcome = failed ? LM_OUTCOME_FAILED : LM_OUTCOME_PASSED};
    if (failed)
        snprintf(finding->why, sizeof finding->why, "%s", failed->text);
    return true;
}

static void remember(const lm_runner *it, const lm_case *c, const lm_finding *finding)
{
    lm_record_entry entry = {.key = key_of(it, c),
                             .kind = finding->outcome == LM_OUTCOME_FAILED ? LM_RECORD_FAILED
                                                                           : LM_RECORD_PASSED};
    if (finding->outcome == LM_OUTCOME_FAILED) {
        snprintf(entry.op, sizeof entry.op, "%s", finding->op);
        snprintf(entry.text, sizeof entry.text, "%s", finding->why);
    }
    lm_record_put(it->record, &entry);
}

// All cases once. *again: an optional path went off, so that all of them are others now.
static bool run_all(const lm_runner *it, const lm_case *cases, size_t n, lm_finding *findings,
                    bool *again, lm_error *err)
{
    for (size_t i = 0; i < n; i++) {
        const lm_case *c = &cases[i];
        if (it->progress && !it->progress(it->progress_user, i, n))
            return lm_fail(err, LM_CANCELLED, "interrupted");
        if (is_known(it, c, &findings[i]))
            continue;
        if (c->needs && has_failed(findings, i, c->needs)) {
            findings[i] = (lm_finding){.op = c->op, .what = c->what, .outcome = LM_OUTCOME_UNKNOWN};
            snprintf(findings[i].why, sizeof findings[i].why, "rests on %s", c->needs);
            continue;
        }
        if (!try_case(it, c, &findings[i], err))
            return false;
        if (findings[i].outcome == LM_OUTCOME_FAILED &&
            !find_suspect(it, c, &findings[i], again, err))
            return false;
        if (*again)
            return true;
        remember(it, c, &findings[i]);
    }
    return true;
}

bool lm_runner_run(const lm_runner *it, const lm_case *cases, size_t n, lm_finding *findings,
                   lm_error *err)
{
    bool again = true;
    while (again) { // ends: each time one path fewer is on
        again = false;
        if (!run_all(it, cases, n, findings, &again, err))
            return false;
    }
    return true;
}
