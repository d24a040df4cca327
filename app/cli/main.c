// The program `lemnos`: finds the command, parses its options, runs it.
//
// Numbers are read and written the same in every language: of the locale nothing is ever set but
// LC_CTYPE, where lines are edited (line_editor.c).

#include "command.h"
#include "nearest.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#ifndef LM_VERSION // the build system passes the project's version
#define LM_VERSION "unknown"
#endif

static const cli_command commands[] = {
    {"run", CLI_RUN, "[OPTIONS] PROMPT", "continue the text PROMPT",
     "Continues PROMPT as it stands, behind a BOS token, and prints what comes next. Spellings of\n"
     "special tokens in PROMPT count as those tokens. -n is 256 where not given.\n",
     "  lemnos run -m model.gguf -n 64 'int gcd(int a, int b)'\n", 1, 1, cli_run},
    {"complete", CLI_COMPLETE, "[OPTIONS] FILE|-", "continue a source file",
     "Continues what FILE (or standard input, for -) holds and prints what comes next, not the "
     "file.\n"
     "Its bytes are text, special tokens' spellings included. -n is 128 where not given.\n",
     "  lemnos complete -m model.gguf --stop '}' src/main.c\n", 1, 1, cli_complete},
    {"infill", CLI_INFILL, "[OPTIONS] FILE:LINE[:COL]|-", "fill a hole in a source file",
     "Prints what belongs into FILE at LINE and COL, which count from 1; COL counts characters.\n"
     "Without COL the hole is behind the code of the line, on a blank line behind its "
     "indentation.\n"
     "The text ends where the line or the block does. -n is 128 where not given; code that has no\n"
     "room in the context beside it is left out. -v says why it ended and what was left out.\n"
     "\n"
     "A lone - reads JSON objects, one a line, and answers each with one line, for as long as its\n"
     "input lasts: {\"prefix\": \"...\", \"suffix\": \"...\"} and if wished \"path\", \"files\":\n"
     "[{\"path\": \"...\", \"text\": \"...\"}], \"shape\", \"max_tokens\", \"temperature\", "
     "\"top_k\", \"top_p\",\n"
     "\"min_p\", \"seed\", \"stop\", \"id\". The answer has \"id\", \"text\", \"finish\", "
     "\"reason\" and figures,\n"
     "or \"error\". Ctrl-C (SIGINT) ends the answer under way.\n",
     "  lemnos infill -m base.gguf -r src/gcd.h src/gcd.c:12\n", 1, 1, cli_infill},
    {"chat", CLI_CHAT, "[OPTIONS] [MESSAGE]", "talk with an instruct model",
     "Answers MESSAGE, then goes on with what is typed; without a terminal it answers MESSAGE "
     "alone, "
     "or\n"
     "each line of standard input. A line of \"\"\" begins and ends a message of several lines, a "
     "\\ at\n"
     "the end of a line goes on with the next. Lines can be edited and are kept in a history; a "
     "pasted\n"
     "text is one message, Alt-Enter breaks a line. Ctrl-C stops an answer, Ctrl-D ends the chat.\n"
     "/help, /reset, /system TEXT, /regen, /save FILE, /load FILE and /exit are commands; // "
     "begins a\n"
     "message with a slash. A script that fails ends, and says in which line. -n is 2048 where "
     "not\n"
     "given. The same options and messages give the same answers, also where they are drawn "
     "(--temp):\n"
     "--seed is 0 where not given, and /regen takes the next one.\n",
     "  lemnos chat -m model-instruct.gguf 'Write a binary search in C.'\n", 0, 1, cli_chat_run},
    {"tokenize", CLI_TOKENIZE, "[OPTIONS] TEXT|-f FILE", "show the tokens of a text",
     "Prints one token a line, its id and its spelling; the count goes to stderr. Needs no "
     "device;\n"
     "a file with a vocabulary alone will do.\n",
     "  lemnos tokenize -m model.gguf --ids 'def f(x):'\n", 0, 1, cli_tokenize},
    {"devices", CLI_DEVICES, "[OPTIONS]", "list the Vulkan devices",
     "Lists every Vulkan device with what it offers, which one is chosen, and why the others are "
     "not.\n"
     "Compares them with the GPUs that the kernel knows and the drivers that are installed, and "
     "says\n"
     "what is missing: a package, a library, a right.\n",
     "  lemnos devices --json\n", 0, 0, cli_devices},
    {"doctor", CLI_DOCTOR, "[OPTIONS] [FILE]", "check that the device computes right",
     "Runs every op on the device and compares with the host: at the sizes and in the formats of "
     "the\n"
     "model FILE, or at those of a 1.3B model in every format. Prints a report that names no file "
     "and\n"
     "can be sent; -v tells of every case. An optional path that gives wrong results is switched "
     "off,\n"
     "for later commands too; where the floor itself is wrong the exit code is 1, and no model is\n"
     "loaded on that device. Commands check unasked what a new device or driver has not shown "
     "yet;\n"
     "with LM_SELF_TEST=off in the environment nothing is checked and nothing refused.\n",
     "  lemnos doctor model.gguf\n", 0, 1, cli_doctor},
    {"tune", CLI_TUNE, "[OPTIONS] [FILE]", "measure what is fastest on the device",
     "Measures the variants of ops at the sizes and in the formats of the model FILE, or of the "
     "one\n"
     "that comes with Lemnos, and keeps the fastest for this device, driver and version of Lemnos: "
     "all\n"
     "commands use them from then on. A variant counts only if it gives the same results up to "
     "the\n"
     "order of sums, so the last bits of logits may differ afterwards. Let nothing else run "
     "meanwhile.\n"
     "With LM_TUNING=off in the environment a command takes what is built in.\n",
     "  lemnos tune model.gguf\n", 0, 1, cli_tune},
    {"quirks", CLI_QUIRKS, "[OPTIONS]", "list what is known to be wrong with some drivers",
     "Prints the entries of the quirk tables in force, the later the stronger: of the one that "
     "comes\n"
     "with Lemnos, of the user's quirks.txt in the folder for settings, and of the file that "
     "LM_QUIRKS\n"
     "names. LM_QUIRKS=none: no entry at all. 'lemnos devices' shows what they do to a device.\n",
     "  lemnos quirks\n", 0, 0, cli_quirks},
    {"info", CLI_INFO, "[OPTIONS] [FILE]", "show what a model is and whether it fits",
     "Prints what FILE holds and, for each device, where the memory for a context of -c tokens "
     "would\n"
     "go and the largest context that fits. Loads nothing.\n",
     "  lemnos info -c 16384 model.gguf\n", 0, 1, cli_info},
    {"perplexity", CLI_PERPLEXITY, "[OPTIONS] FILE|-", "how well a model predicts a text",
     "Scores the tokens of FILE and prints the perplexity and the bits per byte. As in llama.cpp, "
     "the\n"
     "text is cut into windows of -c tokens and the second half of each counts; with --stride "
     "every\n"
     "token counts once. --kl-save and --kl-base compare two models on the same text. FILE's bytes "
     "are\n"
     "text, special tokens' spellings included.\n",
     "  lemnos perplexity -m model.gguf --stride 256 src/main.c\n", 1, 1, cli_perplexity},
    {"bench", CLI_BENCH, "[OPTIONS]", "measure how fast a model runs",
     "Measures the speed of prompts (pp) and of drawing tokens one by one (tg), with the "
     "bandwidth\n"
     "and arithmetic that this takes, and a hash of what was computed. Lists are like 128,512 or\n"
     "0-4096+1024 (0, 1024, ...) or 1-64*2 (1, 2, 4, ...); every prompt and every number of "
     "tokens\n"
     "is run at every depth, on every model: each -m, or each --synthetic shape in each --format.\n"
     "What does not fit into the memory is told with its plan and left out. Ctrl-C prints what is\n"
     "finished. Exit code 1 where nothing could be measured, or --compare finds a row slower.\n",
     "  lemnos bench --synthetic deepseek-coder-1.3b --format Q8_0,Q4_K -p 128,512 -n 32 -d "
     "0,4096\n",
     0, 0, cli_bench},
    {"synth", CLI_SYNTH, "SHAPE --format F -o FILE", "write a model of random weights",
     "Writes a GGUF file of reproducible random weights with an invented vocabulary. SHAPE is\n"
     "deepseek-coder-1.3b, -5.7bmqa, -6.7b, -33b, -7b-v1.5 (after the same beginning) or a JSON "
     "file\n"
     "with any of the keys layers, hidden, intermediate, heads, kv_heads, head_dim, vocab, "
     "context,\n"
     "rope_base, rope_factor, tied, qkv_bias.\n",
     "  lemnos synth deepseek-coder-1.3b --format Q8_0 -o synthetic.gguf\n", 1, 1, cli_synth},
    {"quantize", CLI_QUANTIZE, "IN OUT --type TYPE", "write a model in another format",
     "Writes the model IN to the file OUT with its matrices in another format; everything else is\n"
     "kept. TYPE is F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, Q2_K, Q3_K_S, Q3_K_M, Q3_K_L,\n"
     "Q4_K_S, Q4_K_M, Q5_K_S, Q5_K_M or Q6_K, with the mixtures of llama.cpp. Take IN in F32, F16 "
     "or\n"
     "BF16; weights that are quantised already are refused without --allow-requantize.\n",
     "  lemnos quantize model-f16.gguf model-q4_k_m.gguf --type Q4_K_M\n", 2, 2, cli_quantize},
};

enum { N_COMMANDS = sizeof commands / sizeof *commands };

static cli_exit finish_output(bool ok, lm_error *err)
{
    return ok && cli_flush(err) ? CLI_OK : cli_fail(err);
}

static cli_exit help(void)
{
    lm_error err;
    bool ok =
        cli_print(&err, "Usage: lemnos COMMAND [OPTIONS] ...\n\n"
                        "Runs code models of the DeepSeek-Coder family on any Vulkan device.\n\n"
                        "Commands:\n");
    for (size_t i = 0; ok && i < N_COMMANDS; i++)
        ok = cli_print(&err, "  %-10s %s\n", commands[i].name, commands[i].summary);
    ok = ok &&
         cli_print(
             &err,
             "\n'lemnos COMMAND --help' says more, with an example; 'lemnos --version' prints the "
             "version.\n\n"
             "Example:\n"
             "  lemnos complete -m model.gguf -n 64 src/main.c\n\n"
             "Without -m and --synthetic a command uses a demonstration model that comes with\n"
             "Lemnos: chat an instruct model, the others a base model. Both are small. The\n"
             "result goes to stdout, everything else to stderr.\n\n"
             "Exit codes:\n"
             "  0    done\n"
             "  1    it did not work; one sentence on stderr says why\n"
             "  2    the command line is wrong\n"
             "  130  interrupted (Ctrl-C)\n\n"
             "Environment:\n"
             "  LEMNOS_ASSETS   the folder of the files that come with Lemnos\n"
             "  XDG_CACHE_HOME  compiled shaders and what was checked are kept in its folder "
             "lemnos\n"
             "  XDG_CONFIG_HOME your quirks.txt is read from its folder lemnos\n"
             "  LM_SAFE=1       --safe for every command that takes it\n"
             "  LM_QUIRKS       one more quirk table, or none: no table at all\n"
             "  LM_SELF_TEST    off: devices are not checked\n"
             "  LM_TUNING       off: what tune has measured is not used\n"
             "  XDG_STATE_HOME  the history of chat is kept in its folder lemnos\n");
    return finish_output(ok, &err);
}

static cli_exit command_help(const cli_command *command)
{
    lm_error err;
    const bool ok =
        cli_print(&err, "Usage: lemnos %s %s\n\n%s\nOptions:\n", command->name, command->usage,
                  command->about) &&
        cli_options_help(command->bit, &err) &&
        cli_print(&err,
                  "\nExample:\n%s\nExit codes: 0 done, 1 failed, 2 wrong command line, 130 "
                  "interrupted.\n",
                  command->example);
    return finish_output(ok, &err);
}

static cli_exit check_args(const cli_command *command, const cli_options *options)
{
    if (options->n_args < command->min_args)
        return cli_usage("'%s' needs an argument: lemnos %s %s", command->name, command->name,
                         command->usage);
    if (options->n_args > command->max_args)
        return cli_usage("'%s' has no use for the argument '%s'; is a text with spaces not quoted?",
                         command->name, options->args[command->max_args]);
    return CLI_OK;
}

static cli_exit run_command(const cli_command *command, int argc, char **argv)
{
    cli_options options;
    lm_error err;
    cli_exit code;
    if (!cli_options_parse(&options, command->bit, command->name, argc, argv, &err)) {
        code = err.status == LM_BAD_ARGUMENT ? cli_usage("%s", err.message) : cli_fail(&err);
    } else if (options.help) {
        code = command_help(command);
    } else {
        code = check_args(command, &options);
        if (code == CLI_OK)
            code = command->run(&options);
    }
    cli_options_finish(&options);
    return code;
}

static const cli_command *find_command(const char *name)
{
    for (size_t i = 0; i < N_COMMANDS; i++) {
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    }
    return NULL;
}

static cli_exit unknown_command(const char *name)
{
    const char *names[N_COMMANDS];
    for (size_t i = 0; i < N_COMMANDS; i++)
        names[i] = commands[i].name;
    const char *nearest = cli_nearest(name, names, N_COMMANDS);
    if (nearest)
        return cli_usage("there is no command '%s'; did you mean '%s'?", name, nearest);
    return cli_usage("there is no command '%s'; see 'lemnos --help'", name);
}

static cli_exit dispatch(int argc, char **argv)
{
    if (argc < 2)
        return cli_usage("no command given; see 'lemnos --help'");
    const char *name = argv[1];
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0) {
        const cli_command *command = argc > 2 ? find_command(argv[2]) : NULL;
        return command ? command_help(command) : help();
    }
    if (strcmp(name, "--version") == 0) {
        lm_error err;
        return finish_output(cli_print(&err, "lemnos %s\n", LM_VERSION), &err);
    }
    const cli_command *command = find_command(name);
    return command ? run_command(command, argc - 2, argv + 2) : unknown_command(name);
}

int main(int argc, char **argv)
{
    cli_streams_prepare();
    // A reader that went away is then a failed write with a sentence, and everything is freed.
    signal(SIGPIPE, SIG_IGN);
    return (int)dispatch(argc, argv);
}
