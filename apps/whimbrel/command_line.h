// What the user may write on the command line.
#pragma once

// Reads it and runs the command that it names. Returns the exit code: 0 done, 1 failed at run time,
// 2 wrong use.
int run_command_line(int argc, char** argv);
