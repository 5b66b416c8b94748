// The ceiling: what any encrypted protocol could reach here. UDP_SEGMENT batches of up to 54
// datagrams of 1200 bytes out, UDP_GRO in, AES-256-GCM on each datagram, and nothing else: no
// reliability, no messages.
#include <netinet/udp.h>
#include <openssl/evp.h>

#include <array>
#include <memory>

#include "sockets.h"

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif

namespace bench {
namespace {

constexpr std::size_t kSegmentsMax = 54;
constexpr std::size_t kBatchBytesMax = kSegmentsMax * kFullBytes;
constexpr std::uint64_t kWindowDatagrams = 16 * kSegmentsMax;
constexpr std::size_t kReceiveBatch = 16;
constexpr std::size_t kHeaderBytes = 8;  // a packet number, authenticated
constexpr std::size_t kTagBytes = 16;
constexpr std::size_t kPlainBytes = kFullBytes - kHeaderBytes - kTagBytes;

// AES-256-GCM with a fixed key: the key schedule is made once, as in a session.
class Sealer {
 public:
  explicit Sealer(bool encrypts) : context_(EVP_CIPHER_CTX_new()) {
    const std::array<std::uint8_t, 32> key = {1, 2, 3};
    EVP_CipherInit_ex(context_, EVP_aes_256_gcm(), nullptr, key.data(), nullptr, encrypts ? 1 : 0);
  }
  ~Sealer() { EVP_CIPHER_CTX_free(context_); }
  Sealer(const Sealer&) = delete;
  Sealer& operator=(const Sealer&) = delete;

  // Writes header, ciphertext of `plain` and tag to `packet`, kFullBytes long.
  void seal(std::uint64_t number, const std::uint8_t* plain, std::uint8_t* packet) {
    std::memcpy(packet, &number, sizeof number);
    int size = 0;
    set_nonce(packet);
    EVP_EncryptUpdate(context_, packet + kHeaderBytes, &size, plain, int{kPlainBytes});
    EVP_EncryptFinal_ex(context_, packet + kFullBytes - kTagBytes, &size);
    EVP_CIPHER_CTX_ctrl(context_, EVP_CTRL_GCM_GET_TAG, int{kTagBytes},
                        packet + kFullBytes - kTagBytes);
  }
  bool open(std::uint8_t* packet) {
    int size = 0;
    set_nonce(packet);
    EVP_DecryptUpdate(context_, packet + kHeaderBytes, &size, packet + kHeaderBytes,
                      int{kPlainBytes});
    EVP_CIPHER_CTX_ctrl(context_, EVP_CTRL_GCM_SET_TAG, int{kTagBytes},
                        packet + kFullBytes - kTagBytes);
    return EVP_DecryptFinal_ex(context_, packet + kFullBytes - kTagBytes, &size) == 1;
  }

 private:
  void set_nonce(const std::uint8_t* header) {
    std::array<std::uint8_t, 12> nonce = {};
    std::memcpy(nonce.data() + 4, header, kHeaderBytes);
    EVP_CipherInit_ex(context_, nullptr, nullptr, nullptr, nonce.data(), -1);
    int size = 0;
    EVP_CipherUpdate(context_, nullptr, &size, header, int{kHeaderBytes});
  }

  EVP_CIPHER_CTX* context_;
};

class Receiver {
 public:
  explicit Receiver(int fd) : fd_(fd) {
    const int on = 1;
    setsockopt(fd, SOL_UDP, UDP_GRO, &on, sizeof on);
    for (std::size_t i = 0; i < kReceiveBatch; ++i) {
      vectors_[i] = {buffers_[i].data(), buffers_[i].size()};
      msghdr& header = messages_[i].msg_hdr;
      header = {};
      header.msg_name = &from_[i];
      header.msg_iov = &vectors_[i];
      header.msg_iovlen = 1;
      header.msg_control = controls_[i].data();
    }
  }

  // Waits for some datagrams and opens them; returns how many were good.
  std::uint64_t receive(sockaddr_in* from) {
    for (std::size_t i = 0; i < kReceiveBatch; ++i) {
      messages_[i].msg_hdr.msg_namelen = sizeof from_[i];
      messages_[i].msg_hdr.msg_controllen = controls_[i].size();
    }
    const int count = recvmmsg(fd_, messages_.data(), kReceiveBatch, MSG_WAITFORONE, nullptr);
    std::uint64_t opened = 0;
    for (int i = 0; i < count; ++i) {
      const auto at = static_cast<std::size_t>(i);
      opened += open_all(buffers_[at].data(), messages_[at].msg_len);
      *from = from_[at];
    }
    return opened;
  }

 private:
  std::uint64_t open_all(std::uint8_t* bytes, std::size_t size) {
    std::uint64_t opened = 0;
    for (std::size_t at = 0; at + kFullBytes <= size; at += kFullBytes)
      if (sealer_.open(bytes + at)) ++opened;
    return opened;
  }

  int fd_;
  Sealer sealer_{false};
  std::array<std::array<std::uint8_t, 65536>, kReceiveBatch> buffers_;
  std::array<std::array<char, CMSG_SPACE(sizeof(int))>, kReceiveBatch> controls_;
  std::array<sockaddr_in, kReceiveBatch> from_;
  std::array<iovec, kReceiveBatch> vectors_;
  std::array<mmsghdr, kReceiveBatch> messages_;
};

void serve(const Arguments& arguments) {
  const int fd = server_socket(arguments.port);
  const auto receiver = std::make_unique<Receiver>(fd);
  ReceiverWindow window(fd, 2 * kSegmentsMax);
  Meter meter(arguments.seconds);
  say_ready();
  while (!stopped()) {
    sockaddr_in from;
    const std::uint64_t opened = receiver->receive(&from);
    if (opened == 0) continue;
    meter.add(opened, opened * kPlainBytes);
    window.received(opened, from);
  }
  meter.print();
}

// One sendmsg for all that `batch` holds.
void send_batch(int fd, std::vector<std::uint8_t>& batch) {
  iovec vector = {batch.data(), batch.size()};
  std::array<char, CMSG_SPACE(sizeof(std::uint16_t))> control = {};
  msghdr header = {};
  header.msg_iov = &vector;
  header.msg_iovlen = 1;
  header.msg_control = control.data();
  header.msg_controllen = control.size();
  cmsghdr* segment = CMSG_FIRSTHDR(&header);
  segment->cmsg_level = SOL_UDP;
  segment->cmsg_type = UDP_SEGMENT;
  segment->cmsg_len = CMSG_LEN(sizeof(std::uint16_t));
  const std::uint16_t size = kFullBytes;
  std::memcpy(CMSG_DATA(segment), &size, sizeof size);
  if (sendmsg(fd, &header, 0) < 0) fail("UDP_SEGMENT is not to be had here");
}

void flood(const Arguments& arguments) {
  const int fd = client_socket(arguments.port);
  SenderWindow window(fd, kWindowDatagrams);
  Sealer sealer(true);
  const std::vector<std::uint8_t> plain(kPlainBytes, 0x5a);
  std::vector<std::uint8_t> batch(kBatchBytesMax);
  Meter meter(arguments.seconds);
  for (std::uint64_t number = 0; !meter.sender_done();) {
    window.make_room(kSegmentsMax);
    for (std::size_t at = 0; at < batch.size(); at += kFullBytes)
      sealer.seal(number++, plain.data(), batch.data() + at);
    send_batch(fd, batch);
    meter.tick();
  }
  meter.print();
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) {
  return bench::run_part(bench::start(argc, argv), bench::serve, {}, bench::flood);
}
