#include "message/channel_table.h"

#include <algorithm>

#include "base/assert.h"

namespace whimbrel {

std::uint32_t ChannelTable::add(ChannelId channel) {
  ASSERT(!find(channel) && size_ < kNone);
  const auto place = static_cast<std::uint32_t>(size_++);
  if (const auto c = static_cast<std::uint32_t>(channel); c < kDirectCount) {
    direct_[c] = static_cast<std::uint16_t>(place);
    return place;
  }
  const auto at = std::partition_point(others_.begin(), others_.end(),
                                       [channel](const Entry& e) { return e.channel < channel; });
  last_ = static_cast<std::size_t>(at - others_.begin());
  others_.insert(at, {channel, place});
  return place;
}

std::optional<std::uint32_t> ChannelTable::search(ChannelId channel) const {
  const auto at = std::partition_point(others_.begin(), others_.end(),
                                       [channel](const Entry& e) { return e.channel < channel; });
  if (at == others_.end() || at->channel != channel) return std::nullopt;
  last_ = static_cast<std::size_t>(at - others_.begin());
  return at->place;
}

}  // namespace whimbrel
