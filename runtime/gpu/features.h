// What a device may do beyond the floor: which optional paths its driver offers, which of these are
// off, and who switched them off and why.
//
// Every optional path asks here before it is taken, and nowhere else:
//
//     if (lm_features_on(lm_gpu_features(gpu), LM_FEATURE_TIMESTAMPS)) ...
//
// Switches come in this order: the quirk tables and the user's wish while the device is probed,
// then a self-test on the open device:
//
//     lm_gpu_turn_off(gpu, LM_FEATURE_MATRIX, LM_OFF_SELF_TEST, "8x8x8 f16 differs at row 3");
//
// A path that is off stays with the first reason. Only a quirk table can switch on again, and only
// what a quirk table or its speed switched off.
// Threads: one thread at a time, as the device.

#ifndef LM_GPU_FEATURES_H
#define LM_GPU_FEATURES_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

#define LM_UNIFORM_LOADS_LANES 16 // that a subgroup may have: those of a tile of weights

typedef enum lm_feature {
    LM_FEATURE_HALF_UNPACK,      // f16 read by unpackHalf2x16; off: by integer arithmetic
    LM_FEATURE_FEW_BARRIERS,     // barriers only where a hazard is; off: before every op
    LM_FEATURE_COMPUTE_QUEUE,    // a queue without graphics; off: the first that computes
    LM_FEATURE_MEMORY_BUDGET,    // what the driver says is free; off: the heaps' sizes
    LM_FEATURE_TIMESTAMPS,       // time taken on the device
    LM_FEATURE_STORED_PIPELINES, // compiled pipelines kept in a file
    LM_FEATURE_LAST_GROUP,       // the last workgroup of a dispatch goes on with what the others
                                 // wrote, see shaders/lib/last_group.glsl; off: a dispatch of its
                                 // own does
    LM_FEATURE_FUSED,            // steps of one token in few ops, see ops/matvec_fused.h; off: an
                                 // op for each norm, rotation and SwiGLU
    LM_FEATURE_F16,              // f16 arithmetic; reserved, it is only measured
    LM_FEATURE_INT_DOT,          // dot products of four packed int8; likewise
    LM_FEATURE_MATRIX,           // VK_KHR_cooperative_matrix, f16 times f16 in f32
    LM_FEATURE_UNIFORM_LOADS,    // weights lie by words, see shaders/interface/weights.h, and a
                                 // lane's are read together with those of all lanes; off: by
                                 // chunks of 16 bytes, each lane its own. Weights that are on the
                                 // device already would be misread, so it stays while there are any
    LM_N_FEATURES,
} lm_feature;

typedef enum lm_off_by {
    LM_OFF_NOT = 0,
    LM_OFF_SPEED,     // it is slower here than the path without
    LM_OFF_QUIRK,     // a line of a quirk table; the reason ends in its link
    LM_OFF_SELF_TEST, // it gave wrong results here
    LM_OFF_USER,      // an option or a variable
    LM_OFF_SAFE,      // --safe or LM_SAFE=1
} lm_off_by;

typedef struct lm_features {
    uint32_t offered; // bits, 1 << lm_feature: the device and its driver have it
    uint32_t off;     // bits: not to be used
    struct {
        lm_off_by by;
        char why[192]; // one sentence, no final point
    } reason[LM_N_FEATURES];
} lm_features;

// Whether to take the path: offered and not off.
bool lm_features_on(const lm_features *features, lm_feature feature);

// Whether the driver has it at all.
bool lm_features_offered(const lm_features *features, lm_feature feature);

void lm_features_offer(lm_features *features, lm_feature feature);

// Switches it off. What is off already keeps its reason.
void lm_features_turn_off(lm_features *features, lm_feature feature, lm_off_by by, const char *fmt,
                          ...) __attribute__((format(printf, 4, 5)));

// Switches everything off.
void lm_features_turn_all_off(lm_features *features, lm_off_by by, const char *why);

// Takes back what a quirk or its speed switched off; any other reason stays.
void lm_features_turn_on(lm_features *features, lm_feature feature);

// Switches off what `list` names: "matrix,f16", or "all". Fails with LM_BAD_ARGUMENT for a name
// that is none; what stood before it is off by then.
bool lm_features_turn_list_off(lm_features *features, const char *list, lm_off_by by,
                               const char *why, lm_error *err);

// "matrix", as the tables and `lemnos devices` have it.
const char *lm_feature_name(lm_feature feature);

// Finds a feature by its name, `size` bytes of it. False if there is none.
bool lm_feature_parse(const char *name, size_t size, lm_feature *feature);

// False for those that are reserved: being on or off changes nothing yet.
bool lm_feature_is_used(lm_feature feature);

// "its speed", "a quirk", "the self-test", "the user", "safe mode"; "" for LM_OFF_NOT.
const char *lm_off_by_name(lm_off_by by);

#endif
