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
#include "text.h"

namespace {

constexpr const char* kExamples = R"(An authority vouches that a key belongs to a name. Once:
  whimbrel cert new-authority team           (team: secret; team.pub: for everybody)
For each user:
  whimbrel key alice.key                     (prints the public key)
  whimbrel cert issue --authority team --name alice --key KEY --out alice.cert
Then each user says:
  whimbrel chat ... --key alice.key --cert alice.cert --authority team.pub)";

struct IssueOptions {
  std::string authority;
  std::string name;
  std::string key;
  std::string out;
  std::uint32_t app_id = 0;
  int days = 30;
};

struct ShowOptions {
  std::string file;
  std::vector<std::string> authorities;
  bool json = false;
};

bool is_public_key(const std::string& text) {
  return text.size() == 64 && std::all_of(text.begin(), text.end(),
                                          [](unsigned char c) { return std::isxdigit(c) != 0; });
}

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
    fmt::print("{}\n", certificate_json(*info).dump(2));
  } else {
    print_certificate(*info);
  }
  if (options.authorities.empty()) return 0;
  if (!whimbrel::check_certificate(options.file, options.authorities, &error)) throw Failure(error);
  if (!options.json) fmt::print("checked     signed by this authority, and valid now\n");
  return 0;
}

void add_new_authority(CLI::App& cert, Run& run) {
  auto* command =
      cert.add_subcommand("new-authority", "Make an authority: FILE (secret) and FILE.pub");
  auto path = std::make_shared<std::string>();
  command->add_option("FILE", *path, "File for the secret key")->required();
  command->callback([path, &run] { run = [path] { return new_authority_command(*path); }; });
}

void add_issue(CLI::App& cert, Run& run) {
  auto* command = cert.add_subcommand("issue", "Certify that a key belongs to a name");
  auto options = std::make_shared<IssueOptions>();
  command->add_option("--authority", options->authority, "The authority's secret file")->required();
  command->add_option("--name", options->name, "Whose certificate; alice is short for str:alice")
      ->required();
  command
      ->add_option("--key", options->key, "The user's public key (64 hex digits), or the key file")
      ->required();
  command->add_option("--out", options->out, "File for the certificate")->required();
  command->add_option("--days", options->days, "How long it is valid")
      ->check(CLI::Range(1, 3650))
      ->capture_default_str();
  command->add_option("--app-id", options->app_id, "Application number")->capture_default_str();
  command->callback([options, &run] { run = [options] { return issue_command(*options); }; });
}

void add_show(CLI::App& cert, Run& run) {
  auto* command = cert.add_subcommand("show", "Show a certificate, and check it");
  auto options = std::make_shared<ShowOptions>();
  command->add_option("FILE", options->file, "The certificate")->required();
  command
      ->add_option("--authority", options->authorities,
                   "Also check that this authority (public key file) signed it, and its dates")
      ->allow_extra_args(false);
  command->add_flag("--json", options->json, "As JSON");
  command->callback([options, &run] { run = [options] { return show_command(*options); }; });
}

}  // namespace

void add_cert(CLI::App& app, Run& run) {
  auto* command = app.add_subcommand("cert", "Make authorities and certificates, and show them");
  command->require_subcommand(1);
  command->footer(kExamples);
  add_new_authority(*command, run);
  add_issue(*command, run);
  add_show(*command, run);
}
