#include "server/client_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "crypto/siphash.h"
#include "io/clock.h"

namespace whimbrel {

namespace {

// Address 16, port u16, our index u32, the client's u32, the first 6 bytes of a hash of all that. A
// free place has zeros.
constexpr std::size_t kRecordSize = 32;
constexpr std::size_t kHashed = 16 + 2 + 4 + 4;
constexpr std::size_t kRecordsMax = 1'000'000;

using Record = std::array<std::uint8_t, kRecordSize>;

void put_hash(Record& record) {
  // It guards against torn writes, not against people: the key is no secret.
  const SipTag hash = siphash24(SipKey{}, Bytes(record).first(kHashed));
  std::copy_n(hash.begin(), kRecordSize - kHashed, record.begin() + kHashed);
}

Record record_of(const SessionLine& line) {
  Record record{};
  ByteWriter writer(record);
  writer.bytes(line.remote.bytes);
  writer.u16(line.remote.port);
  writer.u32(line.local_index);
  writer.u32(line.remote_index);
  put_hash(record);
  return record;
}

std::optional<SessionLine> line_of(const Record& record) {
  Record expected = record;
  put_hash(expected);
  if (expected != record) return std::nullopt;
  SessionLine line;
  ByteReader reader(record);
  const Bytes address = reader.bytes(line.remote.bytes.size());
  std::copy(address.begin(), address.end(), line.remote.bytes.begin());
  line.remote.port = reader.u16();
  line.local_index = reader.u32();
  line.remote_index = reader.u32();
  if (line.remote.port == 0) return std::nullopt;
  return line;
}

}  // namespace

Expected<std::unique_ptr<ClientFile>> ClientFile::open(const std::string& path) {
  const int file = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (file < 0) return Error{path + ": " + std::strerror(errno)};
  return std::unique_ptr<ClientFile>(new ClientFile(FileDescriptor(file)));
}

void ClientFile::touch() { ::futimens(file_.get(), nullptr); }

std::vector<SessionLine> ClientFile::take_last() {
  std::vector<SessionLine> lines;
  struct stat found = {};
  if (::fstat(file_.get(), &found) != 0) return lines;
  const std::int64_t age = unix_now() / 1000 - found.st_mtim.tv_sec;
  const auto count =
      std::min<std::size_t>(static_cast<std::size_t>(found.st_size) / kRecordSize, kRecordsMax);
  if (age <= to_milliseconds(kLastLife) / 1000) {
    for (std::size_t i = 0; i < count; ++i) {
      Record record;
      const auto size =
          ::pread(file_.get(), record.data(), kRecordSize, static_cast<off_t>(i * kRecordSize));
      if (size != static_cast<ssize_t>(kRecordSize)) break;
      if (const auto line = line_of(record)) lines.push_back(*line);
    }
  }
  if (::ftruncate(file_.get(), 0) != 0) lines.clear();
  last_count_ = lines.size();
  return lines;
}

void ClientFile::note(std::size_t place, const SessionLine& line) {
  if (place >= kRecordsMax) return;
  const Record record = record_of(line);
  // If the disk is full, clients come back later after a restart.
  (void)!::pwrite(file_.get(), record.data(), record.size(),
                  static_cast<off_t>(place * kRecordSize));
}

void ClientFile::erase(std::size_t place) {
  if (place >= kRecordsMax) return;
  const Record nothing{};
  (void)!::pwrite(file_.get(), nothing.data(), nothing.size(),
                  static_cast<off_t>(place * kRecordSize));
}

}  // namespace whimbrel
