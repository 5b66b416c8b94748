// Lines from the standard input, for commands that also listen to the network.
#pragma once

#include <optional>
#include <string>

class LineInput {
 public:
  // Sleeps until stdin can be read, `other_fd` is ready or the time is over; then reads what there
  // is. True if `other_fd` was ready. `deaf`: stdin is left alone.
  bool wait(int other_fd, int timeout_ms, bool deaf = false);
  // The next whole line without its end; after ended(), the rest. Nothing when there is none yet.
  std::optional<std::string> next();
  // stdin is at its end and every line was handed out.
  bool ended() const { return closed_ && buffer_.empty(); }

 private:
  void read_some();

  std::string buffer_;
  bool closed_ = false;
};
