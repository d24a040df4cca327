// The end of every draw: the token goes to the host and, unless the text ends, into the timeline.
// The module's args have parts, inbox, step, outbox and tokens.

void stop(uint why)
{
    args.step.state.n_tokens = 0;
    args.step.state.stop = why;
    args.outbox.outbox.stop = why;
}

bool is_end(uint token)
{
    for (uint i = 0; i < min(args.inbox.inbox.n_end, STEP_END_TOKENS); i++)
        if (args.inbox.inbox.end_tokens[i] == token)
            return true;
    return false;
}

// `length` is the number of tokens held, which is the new one's position.
void append_token(uint token, uint length)
{
    const uint n_out = args.step.state.n_out;
    args.outbox.outbox.tokens[n_out % STEP_OUT_TOKENS] = token;
    args.outbox.outbox.n_out = n_out + 1;
    args.step.state.n_out = n_out + 1;
    if (is_end(token)) {
        stop(STEP_STOP_END);
        return;
    }
    args.tokens.at[length] = token;
    args.step.state.pos = length;
    args.step.state.n_held = length + 1;
    args.step.state.remaining -= 1;
    args.step.state.n_tokens = 1;
    if (args.step.state.remaining == 0)
        stop(STEP_STOP_LENGTH);
}
