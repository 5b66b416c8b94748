// Lines on stderr, said on any thread.
#pragma once

#include <functional>
#include <string>
#include <string_view>

void note(std::string_view line);
// Who takes what note() is given from now on, on the thread that says it; nullptr: nobody, it is
// written at once.
void set_note_taker(std::function<void(std::string)> taker);
// Writes it, whoever takes notes.
void write_note(std::string_view line);
