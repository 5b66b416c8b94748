// Standard input, output and error.
#pragma once

// Opens /dev/null in place of those that were closed when the program was started: the next file or
// socket would become one of them otherwise. Nothing can be read from or written to that input and
// output, so that a transfer fails instead of losing its data. To be called before anything is
// opened.
void fill_standard_files();

// Writes out what stands in stdout's buffer. Throws Failure if that or anything before did not
// arrive.
void flush_standard_output();
