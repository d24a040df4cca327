// The ranges and planes of sampling, see interface/sample.h.

uint range_width()
{
    return (args.n_vocab + SAMPLE_PARTS - 1) / SAMPLE_PARTS;
}

// The workgroup's range. After a stop it is empty: an early return would put all that follows under
// a mask on software devices.
uint range_begin()
{
    return min(gl_WorkGroupID.x * range_width(), args.n_vocab);
}

uint range_end()
{
    const bool runs = args.step.state.stop == STEP_RUNNING;
    return runs ? min(range_begin() + range_width(), args.n_vocab) : range_begin();
}

#define KEY_AT(i)    args.candidates.at[i]
#define TOKEN_AT(i)  args.candidates.at[args.n_vocab + (i)]
#define WEIGHT_AT(i) args.candidates.at[2 * args.n_vocab + (i)]
