// `whimbrel cert`: authorities and certificates.
#include <fmt/core.h>
#include <whimbrel/certificates.h>

#include <algorithm>
#include <cctype>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "commands.h"
#include "failure.h"
#include "node_options.h"
#include "session_json.h"
#include "text.h"

namespace {

bool is_public_key(const std::string& text) {
  return text.size() == 64 && std::all_of(text.begin(), text.end(),
                                          [](unsigned char c) { return std::isxdigit(c) != 0; });
}

void print_certificate(const whimbrel::CertificateInfo& info) {
  fmt::print("identity    {}\n", printable(info.identity.text()));
  fmt::print("public key  {}\n", info.public_key_hex);
  fmt::print("app id      {}\n", info.app_id);
  fmt::print("serial      {:016x}\n", info.serial);
  fmt::print("valid       {} to {}\n", utc_text(info.not_before_unix_s),
             utc_text(info.not_after_unix_s));
  fmt::print("authority   {}\n", info.authority_id_hex);
}

nlohmann::ordered_json certificate_json(const whimbrel::CertificateInfo& info) {
  return {{"identity", info.identity.text()},
          {"public_key", info.public_key_hex},
          {"app_id", info.app_id},
          {"serial", fmt::format("{:016x}", info.serial)},
          {"not_before", info.not_before_unix_s},
          {"not_after", info.not_after_unix_s},
          {"authority", info.authority_id_hex}};
}

}  // namespace

int new_authority_command(const std::string& path) {
  std::string error;
  const auto key = whimbrel::new_authority(path, &error);
  if (!key) throw Failure(error);
  fmt::print(
      "{}      secret: keep it safe, it makes certificates\n{}.pub  for everybody: --authority "
      "{}.pub\n",
      path, path, path);
  return 0;
}

int issue_command(const IssueOptions& options) {
  whimbrel::CertificateRequest request;
  request.identity = parse_user(options.name);
  request.app_id = options.app_id;
  request.validity = std::chrono::hours(24) * options.days;
  std::string error;
  if (is_public_key(options.key)) {
    request.public_key_hex = options.key;
  } else {
    const auto key = whimbrel::public_key_of_file(options.key, false, &error);
    if (!key) throw Failure(error);
    request.public_key_hex = *key;
  }
  const auto issued = whimbrel::issue_certificate(options.authority, request, options.out, &error);
  if (!issued) throw Failure(error);
  print_certificate(*issued);
  return 0;
}

int show_command(const ShowOptions& options) {
  std::string error;
  const auto info = whimbrel::describe_certificate(options.file, &error);
  if (!info) throw Failure(error);
  if (options.json) {
    fmt::print("{}\n", json_text(certificate_json(*info), 2));
  } else {
    print_certificate(*info);
  }
  if (options.authorities.empty()) return 0;
  if (!whimbrel::check_certificate(options.file, options.authorities, &error)) throw Failure(error);
  if (!options.json) fmt::print("checked     signed by this authority, and valid now\n");
  return 0;
}
