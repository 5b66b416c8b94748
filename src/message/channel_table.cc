#include "message/channel_table.h"

#include <algorithm>

#include "base/assert.h"

namespace whimbrel {

std::uint32_t ChannelTable::add(ChannelId channel) {
  ASSERT(!find(channel) && size_ < kNone);
  const auto place = static_cast<std::uint32_t>(size_++);
  insert(channel, place);
  return place;
}

void ChannelTable::insert(ChannelId channel, std::uint32_t place) {
  if (const auto c = static_cast<std::uint32_t>(channel); c < kDirectCount) {
    direct_[c] = static_cast<std::uint16_t>(place);
    return;
  }
  const auto at = std::partition_point(others_.begin(), others_.end(),
                                       [channel](const Entry& e) { return e.channel < channel; });
  last_ = static_cast<std::size_t>(at - others_.begin());
  others_.insert(at, {channel, place});
}

ChannelId ChannelTable::channel_at(std::uint32_t place) const {
  const auto direct = std::find(direct_.begin(), direct_.end(), place);
  if (direct != direct_.end()) return static_cast<ChannelId>(direct - direct_.begin());
  const auto other = std::find_if(others_.begin(), others_.end(),
                                  [place](const Entry& e) { return e.place == place; });
  ASSERT(other != others_.end());
  return other->channel;
}

void ChannelTable::rename(std::uint32_t place, ChannelId channel) {
  ASSERT(!find(channel));
  const ChannelId former = channel_at(place);
  if (const auto c = static_cast<std::uint32_t>(former); c < kDirectCount) {
    direct_[c] = kNone;
  } else {
    std::erase_if(others_, [former](const Entry& e) { return e.channel == former; });
    last_ = 0;
  }
  insert(channel, place);
}

std::optional<std::uint32_t> ChannelTable::search(ChannelId channel) const {
  const auto at = std::partition_point(others_.begin(), others_.end(),
                                       [channel](const Entry& e) { return e.channel < channel; });
  if (at == others_.end() || at->channel != channel) return std::nullopt;
  last_ = static_cast<std::size_t>(at - others_.begin());
  return at->place;
}

}  // namespace whimbrel
