#include "sqlite_fault.h"

#include <fmt/core.h>

#include <cerrno>
#include <filesystem>

namespace {

// What SQLite needs beside the file: a page of shared memory, and a journal.
constexpr std::uintmax_t kRoomMin = 256 * 1024;

bool disk_is_full(const std::string& path) {
  namespace fs = std::filesystem;
  std::error_code error;
  const fs::path folder = fs::path(path).parent_path();
  const fs::space_info space = fs::space(folder.empty() ? fs::path(".") : folder, error);
  return !error && space.available < kRoomMin;
}

std::string restore(const std::string& path) {
  return fmt::format(
      "keep the file, and put a copy that \"whimbreld --backup\" made in its place; without one, "
      "\"sqlite3 {} .recover\" saves what can be read",
      path);
}

}  // namespace

std::string sqlite_cure(int result, int system_error, bool disk_full, const std::string& path) {
  const bool no_room = system_error == ENOSPC || system_error == EDQUOT || disk_full;
  switch (result & 0xff) {
    case SQLITE_FULL:
      return "make room on that disk; all names are still there";
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
    case SQLITE_PROTOCOL:
      if (no_room) return "the disk is full: make room on it; all names are still there";
      if (system_error == EFBIG)
        return "the file may not grow further: raise the limit (ulimit -f, LimitFSIZE=); all names "
               "are still there";
      if ((result & 0xff) == SQLITE_CANTOPEN)
        return "look whether it is a file, and whether it and its folder belong to the user that "
               "runs whimbreld";
      return "the disk or its file system has a fault (\"dmesg\" tells more): copy the folder "
             "elsewhere first, then see to the disk";
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH:
      return "let the user that runs whimbreld write the file and its folder (\"chown\"), or mount "
             "the disk for writing";
    case SQLITE_NOTADB:
    case SQLITE_CORRUPT:
      return restore(path);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return fmt::format("another program has locked it (\"fuser {}\" says which): end that one",
                         path);
    case SQLITE_NOMEM:
      return "there is too little memory";
    case SQLITE_ERROR:
    case SQLITE_SCHEMA:
    case SQLITE_MISMATCH:
      return "is it of another program, or of a newer whimbreld? Name the right state folder with "
             "--state, and keep the file";
    default:
      return restore(path);
  }
}

std::string sqlite_fault(sqlite3* database, const std::string& path) {
  const int result = sqlite3_extended_errcode(database);
  return fmt::format("the database {} can't be used: {}; {}", path, sqlite3_errmsg(database),
                     sqlite_cure(result, sqlite3_system_errno(database), disk_is_full(path), path));
}
