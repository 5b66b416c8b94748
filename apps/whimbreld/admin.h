// The page for operators: HTTP on a port of its own, for this machine unless told otherwise.
//   GET /healthz    200 while the server serves
//   GET /metrics    counters and gauges for Prometheus
#pragma once

#include <memory>
#include <string>
#include <thread>

#include "service.h"

class AdminHttp;

// A question has two seconds, 16 KiB and a connection of its own; who sends slowly keeps nobody
// else waiting, nor a stop.
class Admin {
 public:
  // `listen` is IP:PORT; port 0: any. Throws std::runtime_error.
  Admin(const std::string& listen, Service& service);
  ~Admin();
  Admin(const Admin&) = delete;
  Admin& operator=(const Admin&) = delete;

  int port() const { return port_; }

 private:
  std::unique_ptr<AdminHttp> http_;
  int port_ = 0;
  std::thread thread_;
};
