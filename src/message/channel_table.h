// Finds the place of a channel in a table: small non-negative channels in an array, the last one
// asked for without a search, any other by binary search.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "wire/frame.h"

namespace whimbrel {

class ChannelTable {
 public:
  // Places are given out in order: 0, 1, 2 ...
  std::uint32_t add(ChannelId channel);
  std::optional<std::uint32_t> find(ChannelId channel) const {
    if (const auto c = static_cast<std::uint32_t>(channel); c < kDirectCount) {
      if (direct_[c] == kNone) return std::nullopt;
      return direct_[c];
    }
    if (!others_.empty() && others_[last_].channel == channel) return others_[last_].place;
    return search(channel);
  }
  std::size_t size() const { return size_; }
  ChannelId channel_at(std::uint32_t place) const;
  // Gives the place to another channel, which has none yet.
  void rename(std::uint32_t place, ChannelId channel);

 private:
  static constexpr std::size_t kDirectCount = 8;
  static constexpr std::uint16_t kNone = 0xffff;
  struct Entry {
    ChannelId channel;
    std::uint32_t place;
  };

  std::optional<std::uint32_t> search(ChannelId channel) const;
  void insert(ChannelId channel, std::uint32_t place);

  std::array<std::uint16_t, kDirectCount> direct_{kNone, kNone, kNone, kNone,
                                                  kNone, kNone, kNone, kNone};
  std::vector<Entry> others_;  // by channel
  mutable std::size_t last_ = 0;
  std::size_t size_ = 0;
};

}  // namespace whimbrel
