#include "pump.h"

#include <thread>

void Pump::wait(std::chrono::milliseconds timeout) {
  if (ready_ && found_ == 0) std::this_thread::sleep_for(std::chrono::milliseconds(2));
  found_ = 0;
  ready_ = net_.wait(timeout);
  found_ += net_.run_callbacks();
}
