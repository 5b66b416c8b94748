// The parts of bench_rendezvous.
#pragma once

#include <whimbrel/networking_messages.h>

#include <memory>
#include <string>

#include "measure.h"

namespace bench {

// Somebody with an instance of the library, over loopback.
inline std::unique_ptr<whimbrel::NetworkingMessages> player(const std::string& name,
                                                            std::uint16_t port) {
  whimbrel::Config config;
  config.identity = *whimbrel::Identity::parse(name);
  config.bind_v4 = "127.0.0.1:0";
  config.bind_v6 = "";
  config.server = "127.0.0.1:" + std::to_string(port);
  std::string error;
  auto net = whimbrel::NetworkingMessages::create(config, &error);
  if (net == nullptr) fail(error.c_str());
  return net;
}

void hold_users(const Arguments& arguments);

}  // namespace bench
