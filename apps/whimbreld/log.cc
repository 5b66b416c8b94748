#include "log.h"

#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>

#include "log_sink.h"
#include "text.h"

namespace {

// %J: the message as a JSON string.
class JsonMessage final : public spdlog::custom_flag_formatter {
 public:
  void format(const spdlog::details::log_msg& message, const std::tm&,
              spdlog::memory_buf_t& out) override {
    const std::string text = json_text({message.payload.data(), message.payload.size()});
    out.append(text.data(), text.data() + text.size());
  }
  std::unique_ptr<custom_flag_formatter> clone() const override {
    return spdlog::details::make_unique<JsonMessage>();
  }
};

// Standard error, which nobody waits for.
class ErrorSink final : public spdlog::sinks::base_sink<std::mutex> {
 private:
  void sink_it_(const spdlog::details::log_msg& message) override {
    spdlog::memory_buf_t line;
    formatter_->format(message, line);
    sink_.write({line.data(), line.size()});
  }
  void flush_() override {}

  LogSink sink_{STDERR_FILENO};
};

// %*: the message on one line, whatever is in it.
class OneLineMessage final : public spdlog::custom_flag_formatter {
 public:
  void format(const spdlog::details::log_msg& message, const std::tm&,
              spdlog::memory_buf_t& out) override {
    const std::string text = on_one_line({message.payload.data(), message.payload.size()});
    out.append(text.data(), text.data() + text.size());
  }
  std::unique_ptr<custom_flag_formatter> clone() const override {
    return spdlog::details::make_unique<OneLineMessage>();
  }
};

}  // namespace

std::string json_text(std::string_view text) {
  return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

void set_log_level(const Settings& settings) {
  spdlog::default_logger()->set_level(spdlog::level::from_str(settings.log_level));
}

void set_up_log(const Settings& settings) {
  auto log = std::make_shared<spdlog::logger>("whimbreld", std::make_shared<ErrorSink>());
  auto formatter = std::make_unique<spdlog::pattern_formatter>(spdlog::pattern_time_type::utc);
  formatter->add_flag<JsonMessage>('J').add_flag<OneLineMessage>('*').set_pattern(
      settings.log_format == "json"
          ? R"({"time":"%Y-%m-%dT%H:%M:%S.%eZ","level":"%l","message":%J})"
          : "%Y-%m-%d %H:%M:%S.%e %l %*");
  log->set_formatter(std::move(formatter));
  spdlog::set_default_logger(log);
  set_log_level(settings);
}
