// The last failures of devices and drivers, kept so that the report of `lemnos doctor` can tell of
// them: the sentence that was shown, when, and by which version.
//
// They stand in faults.txt in the folder for state, a line each, the latest at the end. What a user
// wrote is in none of these sentences, and what looks like a file's name is left out.
// Two processes that write at once lose at most one of the two lines.

#ifndef CLI_FAULT_LOG_H
#define CLI_FAULT_LOG_H

#include "base/error.h"

#include <stddef.h>

typedef struct cli_fault {
    char when[24];    // "2026-11-24T16:05:00Z"
    char version[24]; // of Lemnos
    char status[24];  // "device_lost"
    char text[320];   // printable ASCII
} cli_fault;

#define CLI_FAULTS 16 // the most that are kept

// Keeps the failure if a device or its driver is at fault, as its status and its words say. One
// that cannot be kept is forgotten: there is another failure to be told of.
void cli_fault_log_add(const lm_error *err);

// What was kept, the latest last. Returns how many; lines that make no sense are left out.
size_t cli_fault_log_read(cli_fault faults[CLI_FAULTS]);

#endif
