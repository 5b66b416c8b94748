#include "api/news.h"

#include <atomic>

namespace whimbrel {

std::uint64_t ToldNews::this_thread() {
  static std::atomic<std::uint64_t> last{0};
  thread_local const std::uint64_t number = ++last;
  return number;
}

News ToldNews::of(std::uint64_t thread) const {
  const MutexLock lock(mutex_);
  for (const Entry& entry : entries_) {
    if (entry.thread == thread) return entry.news;
  }
  return {};
}

void ToldNews::tell(std::uint64_t thread, const News& news) {
  const MutexLock lock(mutex_);
  for (Entry& entry : entries_) {
    if (entry.thread == thread) return entry.news.merge(news);
  }
  if (entries_.size() >= kThreadsMax) entries_.erase(entries_.begin());
  entries_.push_back({thread, news});
}

}  // namespace whimbrel
