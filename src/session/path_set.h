// The paths of one session, at most kPathsMax, and which of them is the active one.
//
// The path of the handshake has number 0, and its entry stays for as long as the session: by its
// indices the peer can be asked whether it still knows us. The leader opens further ones;
// a number is never used twice, for it is part of the nonce.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/range_set.h"
#include "session/choose_path.h"
#include "session/path_entry.h"

namespace whimbrel {

inline constexpr std::size_t kPathsMax = 8;
// While messages flow, a path that is not used is asked this often whether it still works.
inline constexpr Duration kProbeInterval = seconds(5);

class PathSet {
 public:
  PathSet(const PathConfig& config, bool leads, Instant now)
      : leads_(leads), first_(PathId{0}, config, now) {
    first_.state = PathEntry::Active{};
  }

  bool leads() const { return leads_; }
  PathEntry& first() { return first_; }
  const PathEntry& first() const { return first_; }
  PathEntry& active() { return *active_; }
  const PathEntry& active() const { return *active_; }
  // There are others beside the first, or were.
  bool several() const { return several_ != nullptr; }

  template <typename F>
  void for_each(F&& f) {
    f(first_);
    if (!several_) return;
    for (const auto& entry : several_->more) f(*entry);
  }
  template <typename F>
  void for_each(F&& f) const {
    const_cast<PathSet*>(this)->for_each([&](const PathEntry& entry) { f(entry); });
  }
  PathEntry* find(PathId id);
  const PathEntry* find(PathId id) const { return const_cast<PathSet*>(this)->find(id); }
  PathEntry* find_local(ReceiverIndex index) {
    if (index == first_.local_index) return &first_;
    return several_ ? find_local_of_several(index) : nullptr;
  }
  PathEntry* find_site(std::uint32_t site);

  // The next number; null if there are kPathsMax.
  PathEntry* open(const PathConfig& config, Instant now);
  // One that the peer has opened: !was_there(id). Null if there are kPathsMax.
  PathEntry* accept(PathId id, const PathConfig& config, Instant now);
  // It is here, or was.
  bool was_there(PathId id) const;
  // Between the numbers that the peer has used. False: there are so many that it breaks the
  // protocol.
  bool gaps_are_few() const { return !several_ || several_->ended.count() <= kGapsMax; }
  // The peer has given up a path whose opening has not come. False: that was too often.
  bool end_unseen(PathId id);
  // Forgets those that are gone and that the peer knows to be; of path 0 the indices stay.
  void sweep();

  // --- which one
  void activate(PathEntry& entry, Instant now);
  // What choose_path() has said last.
  PathChoice& choice() { return make_several().choice; }
  // Carries what the active one carries.
  PathEntry* also() {
    return several_ && several_->choice.also ? find(*several_->choice.also) : nullptr;
  }
  Instant move_at() const { return several_ ? several_->choice.move_at : kNever; }

  // --- relays
  void set_carriers(std::span<const RelayCarrier> carriers);
  std::span<const RelayCarrier> carriers() const {
    return several_ ? std::span<const RelayCarrier>(several_->carriers)
                    : std::span<const RelayCarrier>();
  }
  const RelayCarrier* carrier_of(std::uint32_t site) const;
  // They were set since note_carriers(). What the peer has given up is opened again only then.
  bool carriers_are_new() const { return several_ && several_->carriers_new; }
  void note_carriers() { make_several().carriers_new = false; }

  // --- indices of ours
  bool wants_index() const { return several_ && several_->indices_wanted > 0; }
  void give_index(ReceiverIndex index);
  std::optional<ReceiverIndex> take_retired_index();

  std::uint64_t next_status() { return make_several().next_status++; }
  // Frames of paths wait to leave.
  bool owes() const { return several_ && several_->owed > 0; }
  void owe(bool& flag) {
    if (!flag) ++make_several().owed;
    flag = true;
  }
  void paid(bool& flag) {
    if (flag) --make_several().owed;
    flag = false;
  }

  // --- all of them together, but for those from which no answer is expected
  bool idle() const;
  Instant oldest_unacked_time() const;

 private:
  // Numbers that come out of turn leave gaps, which are few.
  static constexpr std::size_t kGapsMax = 64;
  void end(PathId id);

  // Only what has more than one path pays for this.
  struct Several {
    std::vector<std::unique_ptr<PathEntry>> more;
    std::vector<RelayCarrier> carriers;
    std::vector<ReceiverIndex> retired;
    PathChoice choice;
    std::uint32_t next_id = 1;  // of those that we open
    RangeSet ended;             // of those that the peer had opened
    std::uint32_t indices_wanted = 0;
    std::uint32_t owed = 0;
    std::uint64_t next_status = 0;
    bool carriers_new = false;
  };
  Several& make_several() {
    if (!several_) several_ = std::make_unique<Several>();
    return *several_;
  }
  void erase(PathEntry& entry);
  PathEntry* find_local_of_several(ReceiverIndex index);

  bool leads_;
  PathEntry first_;
  PathEntry* active_ = &first_;
  std::unique_ptr<Several> several_;
};

}  // namespace whimbrel
