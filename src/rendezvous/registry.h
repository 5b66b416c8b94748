// What a rendezvous remembers over restarts: who owns which name, who has which number, and which
// keys are revoked.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "crypto/keys.h"

namespace whimbrel::rendezvous {

class Registry {
 public:
  virtual ~Registry() = default;

  // The answer to a question. kUnavailable: the store cannot answer now; nothing was changed.
  enum class Answer : std::uint8_t { kYes, kNo, kUnavailable };

  // kYes: the name belongs to this key. kNo: to another one. Nothing: to nobody.
  virtual std::optional<Answer> owns(std::uint32_t app_id, std::string_view identity,
                                     const PublicKey& key) = 0;
  // How many names a key has, in all applications. Nothing: unavailable.
  virtual std::optional<std::size_t> names_of(const PublicKey& key) = 0;
  // Gives the name to this key if it belongs to nobody. kNo: it belongs to another key.
  virtual Answer claim(std::uint32_t app_id, std::string_view identity, const PublicKey& key) = 0;
  // The number of this key, from 1 on; a new one if it has none. Nothing: unavailable, or there are
  // no more.
  virtual std::optional<std::uint32_t> number_of(std::uint32_t app_id, const PublicKey& key) = 0;
  virtual Answer has_number(std::uint32_t app_id, const PublicKey& key) = 0;
  // Remembers that this key has logged in as this user, so that an operator can find the key by the
  // name. If it cannot be written, it is left out.
  virtual void note_login(std::uint32_t app_id, std::string_view identity,
                          const PublicKey& key) = 0;
  virtual Answer revoked(const PublicKey& key) = 0;
  // The keys revoked since then, latest first, at most `keys_max`. Nothing: unavailable.
  virtual std::optional<std::vector<PublicKey>> revoked_since(std::int64_t unix_seconds,
                                                              std::size_t keys_max) = 0;
  // Changes whenever that may have changed. It must be cheap: it is called every second.
  virtual std::int64_t version() = 0;
};

// A registry in memory. Bounded: a claim beyond the limit is answered by kUnavailable.
class MemoryRegistry : public Registry {
 public:
  explicit MemoryRegistry(std::size_t entries_max = 1'000'000) : entries_max_(entries_max) {}

  std::optional<Answer> owns(std::uint32_t app_id, std::string_view identity,
                             const PublicKey& key) override;
  std::optional<std::size_t> names_of(const PublicKey& key) override;
  Answer claim(std::uint32_t app_id, std::string_view identity, const PublicKey& key) override;
  std::optional<std::uint32_t> number_of(std::uint32_t app_id, const PublicKey& key) override;
  Answer has_number(std::uint32_t app_id, const PublicKey& key) override;
  void note_login(std::uint32_t, std::string_view, const PublicKey&) override {}
  Answer revoked(const PublicKey& key) override;

  std::optional<std::vector<PublicKey>> revoked_since(std::int64_t unix_seconds,
                                                      std::size_t keys_max) override;
  std::int64_t version() override { return static_cast<std::int64_t>(revoked_.size()); }

  void revoke(const PublicKey& key) { revoked_.insert(key); }

 private:
  std::size_t entries_max_;
  std::map<std::pair<std::uint32_t, std::string>, PublicKey> names_;
  std::map<PublicKey, std::size_t> names_of_;
  std::map<std::pair<std::uint32_t, PublicKey>, std::uint32_t> numbers_;
  std::map<std::uint32_t, std::uint32_t> last_number_;  // by app
  std::set<PublicKey> revoked_;
};

}  // namespace whimbrel::rendezvous
