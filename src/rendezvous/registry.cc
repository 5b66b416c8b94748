#include "rendezvous/registry.h"

namespace whimbrel::rendezvous {

std::optional<Registry::Answer> MemoryRegistry::owns(std::uint32_t app_id,
                                                     std::string_view identity,
                                                     const PublicKey& key) {
  const auto known = names_.find({app_id, std::string(identity)});
  if (known == names_.end()) return std::nullopt;
  return known->second == key ? Answer::kYes : Answer::kNo;
}

std::optional<std::size_t> MemoryRegistry::names_of(const PublicKey& key) {
  const auto known = names_of_.find(key);
  return known == names_of_.end() ? 0 : known->second;
}

Registry::Answer MemoryRegistry::claim(std::uint32_t app_id, std::string_view identity,
                                       const PublicKey& key) {
  const auto name = std::make_pair(app_id, std::string(identity));
  const auto known = names_.find(name);
  if (known != names_.end()) return known->second == key ? Answer::kYes : Answer::kNo;
  if (names_.size() >= entries_max_) return Answer::kUnavailable;
  names_.emplace(name, key);
  ++names_of_[key];
  return Answer::kYes;
}

std::optional<std::uint32_t> MemoryRegistry::number_of(std::uint32_t app_id, const PublicKey& key) {
  const auto known = numbers_.find({app_id, key});
  if (known != numbers_.end()) return known->second;
  std::uint32_t& last = last_number_[app_id];
  if (numbers_.size() >= entries_max_ || last == UINT32_MAX) return std::nullopt;
  numbers_.emplace(std::make_pair(app_id, key), ++last);
  return last;
}

Registry::Answer MemoryRegistry::has_number(std::uint32_t app_id, const PublicKey& key) {
  return numbers_.contains({app_id, key}) ? Answer::kYes : Answer::kNo;
}

Registry::Answer MemoryRegistry::revoked(const PublicKey& key) {
  return revoked_.contains(key) ? Answer::kYes : Answer::kNo;
}

std::optional<std::vector<PublicKey>> MemoryRegistry::revoked_since(std::int64_t,
                                                                    std::size_t keys_max) {
  std::vector<PublicKey> keys;
  for (const PublicKey& key : revoked_) {
    if (keys.size() < keys_max) keys.push_back(key);
  }
  return keys;
}

}  // namespace whimbrel::rendezvous
