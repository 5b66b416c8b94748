// The book of clients as a file. Small records are written over as clients come and go, without
// waiting for the disk: what a crash of the machine loses costs its clients a few seconds.
//
// take_last(), note() and erase() are for one thread; touch() is for any other.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/expected.h"
#include "io/file_descriptor.h"
#include "site/client_book.h"

namespace whimbrel {

class ClientFile final : public ClientBook {
 public:
  // Made if it is missing; for its owner alone, since it says where clients are.
  static Expected<std::unique_ptr<ClientFile>> open(const std::string& path);

  // The server lives: to be called every few seconds. After kLastLife without it the clients have
  // noticed by themselves.
  static constexpr Duration kLastLife = seconds(60);
  void touch();

  std::vector<SessionLine> take_last() override;
  // That take_last() found.
  std::size_t last_count() const { return last_count_; }
  void note(std::size_t place, const SessionLine& line) override;
  void erase(std::size_t place) override;

 private:
  explicit ClientFile(FileDescriptor file) : file_(std::move(file)) {}

  FileDescriptor file_;
  std::size_t last_count_ = 0;
};

}  // namespace whimbrel
