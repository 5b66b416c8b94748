// The newest handshake stamp of each key that showed one, so that a first message that is played
// back is not taken for a new one. Bounded: the key heard of longest ago is forgotten.
#pragma once

#include <cstdint>
#include <list>
#include <map>

#include "crypto/keys.h"

namespace whimbrel {

class StampTable {
 public:
  explicit StampTable(std::size_t keys_max) : keys_max_(keys_max) {}

  // False when `stamp` is not newer than the last one of this key.
  bool is_new(const PublicKey& key, std::uint64_t stamp) const {
    const auto it = stamps_.find(key);
    return it == stamps_.end() || stamp > it->second.stamp;
  }
  void note(const PublicKey& key, std::uint64_t stamp) {
    auto [it, added] = stamps_.try_emplace(key);
    if (added) {
      order_.push_back(key);
      it->second.order = std::prev(order_.end());
    } else {
      order_.splice(order_.end(), order_, it->second.order);
    }
    if (stamp > it->second.stamp) it->second.stamp = stamp;
    if (stamps_.size() > keys_max_) {
      stamps_.erase(order_.front());
      order_.pop_front();
    }
  }
  // The last one counts for nothing, if it is not newer than `stamp`: what it stood for never came
  // about.
  void forget(const PublicKey& key, std::uint64_t stamp) {
    const auto it = stamps_.find(key);
    if (it == stamps_.end() || it->second.stamp > stamp) return;
    order_.erase(it->second.order);
    stamps_.erase(it);
  }
  std::size_t size() const { return stamps_.size(); }

 private:
  struct Entry {
    std::uint64_t stamp = 0;
    std::list<PublicKey>::iterator order;
  };
  std::size_t keys_max_;
  std::map<PublicKey, Entry> stamps_;
  std::list<PublicKey> order_;
};

}  // namespace whimbrel
