// What is wrong with a database, and what to do about it. The names in it are worth more than the
// next start: nothing here says to throw them away.
#pragma once

#include <sqlite3.h>

#include <string>

// Of the last thing that failed. `path` is the file.
std::string sqlite_fault(sqlite3* database, const std::string& path);

// What to do, by SQLite's result code and errno (0: not known). `disk_full`: there is no room where
// the file lies.
std::string sqlite_cure(int result, int system_error, bool disk_full, const std::string& path);
