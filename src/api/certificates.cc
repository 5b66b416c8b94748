#include <whimbrel/certificates.h>

#include "crypto/secure_random.h"
#include "handshake/certificate.h"
#include "io/clock.h"
#include "io/key_files.h"
#include "io/system_random.h"

namespace whimbrel {

namespace {

constexpr auto kValidityMax = std::chrono::hours(24 * 3653);  // ten years

void set_error(std::string* error, std::string text) {
  if (error != nullptr) *error = std::move(text);
}

std::optional<CertificateInfo> info_of(const Certificate& certificate, std::string* error) {
  const auto identity = Identity::parse(certificate.identity);
  if (!identity || !identity->valid()) {
    set_error(error, "the certificate names nobody: it is damaged");
    return std::nullopt;
  }
  CertificateInfo info;
  info.identity = *identity;
  info.public_key_hex = to_hex(certificate.static_key.view());
  info.app_id = certificate.app_id;
  info.serial = certificate.serial;
  info.not_before_unix_s = certificate.not_before;
  info.not_after_unix_s = certificate.not_after;
  info.authority_id_hex = to_hex(certificate.authority);
  return info;
}

// What is wrong with a request; empty when nothing is.
std::string fault_of(const CertificateRequest& request) {
  if (!request.identity.valid()) return "the certificate needs the name of a user";
  if (!public_key_from_hex(request.public_key_hex)) return "a public key has 64 hexadecimal digits";
  if (request.validity < std::chrono::seconds(1) || request.validity > kValidityMax) {
    return "a certificate can be valid for 1 second to 10 years";
  }
  return {};
}

std::string describe(CertificateStatus status, const std::string& path) {
  const std::string file = "'" + path + "'";
  switch (status) {
    case CertificateStatus::kUnknownAuthority:
      return file + " was signed by another authority than those given";
    case CertificateStatus::kWrongSignature:
      return file + " has a wrong signature: it was changed after it was signed";
    case CertificateStatus::kNotYetValid:
      return file + " is not valid yet: look at its dates, and at this computer's clock";
    case CertificateStatus::kExpired:
      return file + " has expired: have a new one issued";
    default:
      return file + " is not valid: " + to_string(status);
  }
}

// False, with the reason, when one of the files cannot be read or they are too many.
bool read_authorities(const std::vector<std::string>& files, TrustStore& trust,
                      std::string* error) {
  for (const std::string& file : files) {
    const auto key = read_authority(file);
    if (!key) {
      set_error(error, key.error());
      return false;
    }
    if (!trust.add_authority(*key)) {
      set_error(error, "more than " + std::to_string(TrustStore::kAuthoritiesMax) + " authorities");
      return false;
    }
  }
  return true;
}

}  // namespace

std::optional<std::string> public_key_of_file(const std::string& path, bool make,
                                              std::string* error) {
  SecureRandom random(system_random_seed());
  const auto secret = make ? read_or_make_secret_key(path, random) : read_secret_key(path);
  if (!secret) {
    set_error(error, secret.error());
    return std::nullopt;
  }
  return to_hex(x25519_public(*secret).view());
}

std::optional<std::string> new_authority(const std::string& path, std::string* error) {
  SecureRandom random(system_random_seed());
  const auto key = make_authority(path, random);
  if (!key) {
    set_error(error, key.error());
    return std::nullopt;
  }
  return to_hex(key->view());
}

std::optional<CertificateInfo> issue_certificate(const std::string& authority_file,
                                                 const CertificateRequest& request,
                                                 const std::string& out_path, std::string* error) {
  std::string fault = fault_of(request);
  if (!fault.empty()) {
    set_error(error, std::move(fault));
    return std::nullopt;
  }
  const auto authority = read_authority_secret(authority_file);
  if (!authority) {
    set_error(error, authority.error());
    return std::nullopt;
  }
  SecureRandom random(system_random_seed());
  Certificate certificate;
  certificate.app_id = request.app_id;
  certificate.serial = random.u64();
  certificate.not_before = unix_now() / 1000;
  certificate.not_after = certificate.not_before + request.validity.count();
  certificate.static_key = *public_key_from_hex(request.public_key_hex);
  certificate.authority = authority_key_id(authority->verify_key());
  certificate.identity = request.identity.text();
  fault = write_certificate(out_path, sign_certificate(certificate, *authority));
  if (!fault.empty()) {
    set_error(error, std::move(fault));
    return std::nullopt;
  }
  return info_of(certificate, error);
}

std::optional<CertificateInfo> describe_certificate(const std::string& path, std::string* error) {
  const auto encoded = read_certificate(path);
  if (!encoded) {
    set_error(error, encoded.error());
    return std::nullopt;
  }
  return info_of(*decode_certificate(*encoded), error);  // reading has decoded it once already
}

bool check_certificate(const std::string& path, const std::vector<std::string>& authority_files,
                       std::string* error) {
  TrustStore trust;
  if (!read_authorities(authority_files, trust, error)) return false;
  const auto encoded = read_certificate(path);
  if (!encoded) {
    set_error(error, encoded.error());
    return false;
  }
  const Certificate certificate = *decode_certificate(*encoded);
  const CertificateClaim claim{certificate.app_id, certificate.identity, certificate.static_key};
  const CertificateStatus status = trust.verify(*encoded, claim, unix_now());
  if (status != CertificateStatus::kValid) set_error(error, describe(status, path));
  return status == CertificateStatus::kValid;
}

}  // namespace whimbrel
