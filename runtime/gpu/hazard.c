#include "gpu/hazard.h"

static bool conflict(const lm_access *a, const lm_access *b)
{
    if (!a->writes && !b->writes)
        return false;
    return a->address < b->address + b->size && b->address < a->address + a->size;
}

void lm_hazards_clear(lm_hazards *hazards)
{
    hazards->n = 0;
}

bool lm_hazards_add(lm_hazards *hazards, const lm_access *accesses, size_t n)
{
    bool barrier = hazards->n + n > LM_HAZARD_ROOM;
    for (size_t i = 0; i < n && !barrier; i++)
        for (size_t j = 0; j < hazards->n && !barrier; j++)
            barrier = conflict(&accesses[i], &hazards->since[j]);
    if (barrier)
        lm_hazards_clear(hazards);
    for (size_t i = 0; i < n && hazards->n < LM_HAZARD_ROOM; i++)
        hazards->since[hazards->n++] = accesses[i];
    return barrier;
}
