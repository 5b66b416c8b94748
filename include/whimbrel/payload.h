// What a call sends: a view of bytes, made from whatever holds them.
//
//   net->send_message_to_user(bob, "text", flags, 0);                       // a C string goes without its final zero
//   net->send_message_to_user(bob, std::string("text"), flags, 0);          // or a std::string_view
//   net->send_message_to_user(bob, std::vector<std::byte>(9), flags, 0);    // or of char, signed char, std::uint8_t
//   net->send_message_to_user(bob, std::as_bytes(std::span(points)), flags, 0);
//   net->send_message_to_user(bob, {&position, sizeof position}, flags, 0);
//   net->send_message_to_user(bob, {}, flags, 0);                           // empty
//
// Like std::string_view it owns nothing. The bytes must stay where they are until the call has
// returned; the call copies them. So make one only as an argument, where a temporary lives as long
// as the call.
#pragma once

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <ranges>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

namespace whimbrel {

class Payload;

namespace payload_detail {

// The types that are a byte of a payload. Numbers of several bytes are none, for they look
// different on other machines.
template <typename T>
concept Byte = std::is_same_v<T, std::uint8_t> || std::is_same_v<T, std::byte> ||
    std::is_same_v<T, char> || std::is_same_v<T, signed char>;

// An array of char is a C string: its final zero, and what stands behind it, are not sent.
template <typename T>
inline constexpr bool kIsCString =
    std::is_array_v<T>&& std::is_same_v<std::remove_cv_t<std::remove_extent_t<T>>, char>;

// The third one is an array of unknown length.
template <typename T>
concept CharPointer =
    std::is_same_v<T, const char*> || std::is_same_v<T, char*> || std::is_same_v<T, char[]>;

constexpr std::string_view text_at(const char* text) {
  return text == nullptr ? std::string_view() : std::string_view(text);
}

// The length of a std::string_view would need a zero, and an array that is full has none.
template <std::size_t N>
constexpr std::size_t length_of(const char (&text)[N]) {
  const char* end = std::char_traits<char>::find(text, N, '\0');
  return end == nullptr ? N : static_cast<std::size_t>(end - text);
}

template <typename T>
concept Range = std::ranges::contiguous_range<const T> && std::ranges::sized_range<const T> &&
                !std::is_same_v<T, Payload> &&
                !std::is_same_v<T, std::string_view> && !kIsCString<T> &&
                Byte<std::ranges::range_value_t<const T>>;

// A type of the application's own that says itself how it is read.
template <typename T, typename View>
concept ReadAs = std::is_class_v<T> && !std::is_same_v<T, Payload> && !Range<T> &&
                 std::is_convertible_v<const T&, View>;

}  // namespace payload_detail

class Payload {
 public:
  // Empty, so that {} is a payload.
  constexpr Payload() = default;
  // `data` may be null if `size` is 0. With another size, the call that gets it answers
  // kInvalidParam.
  constexpr Payload(const void* data, std::size_t size) : data_(data), size_(size) {}
  // Up to the final zero. Null is an empty payload.
  template <payload_detail::CharPointer T>
  constexpr Payload(const T& text) : Payload(payload_detail::text_at(text)) {}
  constexpr Payload(std::nullptr_t) {}
  // Up to the first zero, and no further than the array.
  template <std::size_t N>
  constexpr Payload(const char (&text)[N]) : Payload(text, payload_detail::length_of(text)) {}
  constexpr Payload(std::string_view text) : data_(text.data()), size_(text.size()) {}
  // std::vector, std::array, std::span, std::string, ... of bytes.
  template <payload_detail::Range T>
  constexpr Payload(const T& bytes)
      : data_(std::ranges::data(bytes)), size_(std::ranges::size(bytes)) {}
  template <typename T>
  requires payload_detail::ReadAs<T, std::string_view>
  constexpr Payload(const T& text) : Payload(static_cast<std::string_view>(text)) {}
  template <typename T>
  requires(payload_detail::ReadAs<T, std::span<const std::uint8_t>> &&
           !payload_detail::ReadAs<T, std::string_view>) constexpr Payload(const T& bytes)
      : Payload(static_cast<std::span<const std::uint8_t>>(bytes)) {}
  // From `first` up to `last`.
  template <std::contiguous_iterator Iterator, std::sized_sentinel_for<Iterator> End>
  requires(payload_detail::Byte<std::iter_value_t<Iterator>> &&
           !std::is_convertible_v<End, std::size_t>) constexpr Payload(Iterator first, End last)
      : data_(std::to_address(first)), size_(static_cast<std::size_t>(last - first)) {}

  const void* data() const { return data_; }
  constexpr std::size_t size() const { return size_; }
  constexpr bool empty() const { return size_ == 0; }
  std::span<const std::uint8_t> bytes() const {
    return {static_cast<const std::uint8_t*>(data_), size_};
  }

 private:
  const void* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace whimbrel
